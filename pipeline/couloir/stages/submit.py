"""Submit a whole run to SLURM: detection, training, catalog and report, each when the one before it is done."""

import datetime as dt
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from couloir.compute import slurm
from couloir.compute.paths import absolute
from couloir.compute.slurm import Script
from couloir.compute.slurm_images import with_absolute_images
from couloir.compute.slurm_jobs import worker_script
from couloir.compute.slurm_scripts import JobFolder, detection_script, report_script, training_script
from couloir.compute.tls import make_certificate
from couloir.config import RunConfig
from couloir.errors import ClusterError, ConfigError
from couloir.runfile import dump
from couloir.stages.changes import refuse_changes
from couloir.stages.freezing import located, with_located, worth_workers
from couloir.stages.held import held_mark, is_imported
from couloir.stages.plan import Plan
from couloir.stages.remembering import remember
from couloir.stages.seeds import with_held_seeds
from couloir.stages.under_way import refuse_twice


@dataclass(frozen=True)
class Prepared:
    """Hold what is submitted: the settings as they are now, and the jobs in their order."""

    config: RunConfig
    folder: JobFolder
    scripts: tuple[Script, ...]
    worker: Script | None
    """What detection submits for each worker, where workers are jobs."""

    @property
    def run_file(self) -> str:
        """The run file that the jobs read."""
        return f"# Written by couloir submit; the jobs in this folder read it.\n{dump(self.config, site='slurm')}"

    @property
    def all_scripts(self) -> tuple[Script, ...]:
        """Those that are submitted from here, and the workers'."""
        return (*self.scripts, *([self.worker] if self.worker else []))

    @property
    def text(self) -> str:
        """All that is submitted, each file under how it is, as far as that is known before."""
        parts = {str(self.folder.run_file): self.run_file}
        before = ""
        for script in self.scripts:
            options = slurm.sbatch_options(after=f"JOB_OF_{before}" if before else None)
            place = shlex.quote(str(self.folder.script(script.name)))
            parts[f"{shlex.join(['sbatch', *options])} < {place}"] = script.text
            before = script.name.upper()
        if self.worker:
            parts[f"{self.folder.script(self.worker.name)}, which detection submits for each worker"] = (
                self.worker.text
            )
        return "\n".join(f"==> {head} <==\n{text}" for head, text in parts.items())


def prepare(config: RunConfig, plan: Plan, *, name: str, redo: bool = False) -> Prepared:
    """Make the jobs of a run, and write nothing.

    Parameters
    ----------
    config : RunConfig
    plan : Plan
        Says how many workers are worth it.
    name : str
        Part of the folder's name.
    redo : bool
        Whether the stages may replace what other settings made.

    Raises
    ------
    ChangedSettingsError
        When the output holds what other settings made, and nobody said `redo`.
    ConfigError
        When something that the settings of the site name is not there.
    ClusterError
        When what submits workers is not installed.
    """
    config = with_held_seeds(config)
    _refuse_what_lacks(config)
    if not redo:
        refuse_changes(config, plan.inventory.blocks)
    folder = _folder(config, name)
    frozen = _frozen(config, plan, folder)
    again = ["--redo"] if redo else []
    compute, site = frozen.compute, frozen.compute.slurm
    if is_imported(held_mark(config)) and not redo:
        scripts = [
            detection_script(compute, folder, options=again, followers=("catalog", "report")),
            report_script(site, folder, stages=("assign",)),
        ]
    else:
        scripts = [
            detection_script(compute, folder, options=again, followers=("training", "catalog", "report")),
            training_script(site, folder, options=again, followers=("catalog", "report")),
            report_script(site, folder, stages=("catalog", "report")),
        ]
    return Prepared(frozen, folder, tuple(scripts), worker_script(compute) if site.workers_as == "jobs" else None)


def submit(made: Prepared, *, tell: Callable[[str, str], None]) -> dict[str, str]:
    """Submit the jobs of a run, each held until the one before it has ended well.

    Parameters
    ----------
    made : Prepared
    tell : callable
        Told each stage and its job's number.

    Returns
    -------
    dict of str to str
        Job numbers by stage.

    Raises
    ------
    ClusterError
        When SLURM refuses one, and then none is left behind; when jobs of this output still wait or run.
    HeldError
        When a run works on the output.
    ConfigError
        When the folder for scripts and logs cannot be made.
    """
    refuse_twice(made.config)
    for script in made.all_scripts:
        slurm.check_script(script)
    _write(made)
    began = dt.datetime.now(dt.UTC)
    jobs: dict[str, str] = {}
    try:
        for script in made.scripts:
            jobs[script.name] = slurm.submit(script, after=list(jobs.values())[-1] if jobs else None)
            tell(script.name, jobs[script.name])
        remember(made.config, "slurm", jobs, logs=str(made.folder.path), at=began)
    except BaseException:
        if jobs:
            slurm.cancel(list(jobs.values()))
        raise
    return jobs


def _write(made: Prepared) -> None:
    """Write scripts, settings and certificates to the folder of this submission."""
    folder = made.folder
    try:
        folder.path.mkdir(mode=0o700, parents=True)  # who may write here may run code in our name
        make_certificate(folder.path / "tls")
        folder.run_file.write_text(made.run_file)
        for script in made.all_scripts:
            folder.script(script.name).write_text(script.text)
    except OSError as error:
        raise ConfigError(f"compute.slurm.folder: {folder.path} cannot be written: {error.strerror}") from error


def _refuse_what_lacks(config: RunConfig) -> None:
    """Refuse here what would be found missing in the job."""
    site = config.compute.slurm
    if site.container == "none" and find_spec("dask_jobqueue") is None:
        raise ClusterError("detection on SLURM needs dask-jobqueue: pip install 'couloir[slurm]'")
    if site.workers_as == "jobs" and any(map(str.isspace, _absolute(site.folder))):
        raise ConfigError(
            f"compute.slurm.folder ({site.folder}) lies in a path with a space: workers' jobs fail there"
        )


def _folder(config: RunConfig, name: str) -> JobFolder:
    """Say where this submission has its files; the name has no letter that SLURM or Dask would stumble over."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    site = config.compute.slurm
    places = _places(config) if site.container != "none" else ()
    return JobFolder(Path(_absolute(site.folder)) / f"{word}-{stamp}", places)


def _frozen(config: RunConfig, plan: Plan, folder: JobFolder) -> RunConfig:
    """Settle what would be another thing on another machine: paths, the number of workers, the kind of cluster."""
    site = with_absolute_images(config.compute.slurm).model_copy(update={"folder": str(folder.path)})
    compute = config.compute.model_copy(
        update={
            "kind": "slurm",
            "workers": config.compute.workers or worth_workers(plan),
            "tls": str(folder.path / "tls"),
            "slurm": site,
        }
    )
    return with_located(config.model_copy(update={"compute": compute}), _absolute)


def _places(config: RunConfig) -> tuple[str, ...]:
    """Name the folders of this machine that a run reads and writes, for a container to see."""
    found = (_absolute(place) for place in located(config).values())
    folders = (Path(place.partition("*")[0]) for place in found if "://" not in place)
    return tuple(dict.fromkeys(str(_that_is_there(folder)) for folder in folders))


def _absolute(place: str) -> str:
    """Say where a path lies from wherever one looks; a URL does already."""
    return place if "://" in place else str(absolute(place))


def _that_is_there(path: Path) -> Path:
    """Give a folder that can be bound: the nearest above that exists.

    Raises
    ------
    ConfigError
        When nothing of the path exists but the root.
    """
    there = next(place for place in (path, *path.parents) if place.is_dir())
    if there == Path(there.anchor):
        raise ConfigError(f"{path} does not exist, nor any folder above it")
    return there
