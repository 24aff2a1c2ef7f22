"""Write the scripts of a run's jobs on SLURM: detection, training, catalog and report."""

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from couloir.compute.memory import mebibytes
from couloir.compute.slurm import Script
from couloir.compute.slurm_follow import FOLLOW
from couloir.compute.slurm_jobs import asked_mebibytes, exports
from couloir.compute.slurm_tasks import meeting_place
from couloir.config import ComputeConfig
from couloir.config.slurm import SlurmConfig, SlurmTraining
from couloir.errors import EXIT_AGAIN

_SERVERS = 2
"""Tasks of an allocation that are no workers: the scheduler, and the run itself."""
_ACCOUNTED = ("partition", "account", "qos")
_SMALL_MB = 4096
"""Memory of a job that looks after others, or writes tables, MiB."""
_STOP_TASKS = (
    '[ -n "$stopping" ] && kill -0 $stopping 2>/dev/null || '
    '{ timeout 60 scancel --signal=TERM "$SLURM_JOB_ID" & stopping=$!; }'
)
"""How all tasks, and not this script, are told to stop: srun itself does not pass SIGTERM on, but kills them.

Beside this script, one at a time: SLURM may take long to answer, up to a minute where it ends the job itself.
"""
_WITHOUT_CONTAINER = f"{shlex.quote(sys.executable)} -m couloir.cli"
"""The command, as it is where the run is submitted."""
_MOST = 3
"""How often a stage is tried again that was killed, and not told to stop, or that was held up."""


@dataclass(frozen=True)
class JobFolder:
    """Say where a submission has its files.

    Attributes
    ----------
    path : Path
        Scripts, logs and certificates; absolute.
    binds : tuple of str
        Folders that a container must see.
    """

    path: Path
    binds: tuple[str, ...] = ()

    @property
    def run_file(self) -> Path:
        """The run's settings as they were when it was submitted."""
        return self.path / "run.yaml"

    def script(self, stage: str) -> Path:
        """Name the script of a stage's job."""
        return self.path / f"{stage}.sh"

    def log(self, stage: str) -> Path:
        """Name a stage's log; ``%j`` is the job's number."""
        return self.path / f"{stage}-%j.log"


def detection_script(
    compute: ComputeConfig, folder: JobFolder, *, options: Sequence[str] = (), followers: Sequence[str] = ()
) -> Script:
    """Write the job that detects, with its workers or submitting them."""
    slurm, workers, asked = compute.slurm, compute.workers or 1, asked_mebibytes(compute)
    couloir = _couloir(slurm, folder, slurm.image)
    if slurm.workers_as == "tasks":
        size = [f"--ntasks={workers + _SERVERS}", f"--cpus-per-task={slurm.cores}"]
        size += [f"--mem-per-cpu={-(-asked // slurm.cores)}M"] if asked else []
        start = f"srun --export=ALL --cpus-per-task={slurm.cores} --kill-on-bad-exit=1 {couloir}"
        place = meeting_place("$SLURM_JOB_ID", "${SLURM_RESTART_COUNT:-0}")
        ways = {"stop": _STOP_TASKS, "said": f"{place}.ended"}
    else:
        size = ["--ntasks=1", f"--cpus-per-task={slurm.cores}", *_memory(_SMALL_MB if asked else 0)]
        start, ways = couloir, {}
    return _script(
        "detect",
        folder,
        slurm,
        couloir=couloir,
        head=[*_place(slurm, None, slurm.walltime), *size, *slurm.directives],
        setup=[*exports(), *slurm.prologue],
        commands={"detect": f"{start} detect run.yaml {shlex.join(options)}".rstrip()},
        followers=followers,
        **ways,
    )


def training_script(
    slurm: SlurmConfig, folder: JobFolder, *, options: Sequence[str] = (), followers: Sequence[str] = ()
) -> Script:
    """Write the job that trains, on a GPU where one is asked for."""
    training = slurm.training
    on_gpu = training.gres is not None or any(option.startswith(("--gpu", "-G")) for option in training.directives)
    couloir = _couloir(slurm, folder, training.image or slurm.image, gpu=on_gpu)
    size = ["--ntasks=1", f"--cpus-per-task={training.cores}", *_memory(mebibytes(training.memory_gb))]
    size += [f"--gres={training.gres}"] if training.gres else []
    return _script(
        "train",
        folder,
        slurm,
        couloir=couloir,
        head=[*_place(slurm, training, training.walltime), *size, *slurm.directives, *training.directives],
        setup=training.prologue or slurm.prologue,
        commands={"train": f"{couloir} train run.yaml {shlex.join(options)}".rstrip()},
        followers=followers,
    )


def report_script(slurm: SlurmConfig, folder: JobFolder, *, stages: Sequence[str]) -> Script:
    """Write the job that makes the catalog and the report, on CPUs."""
    training = slurm.training
    couloir = _couloir(slurm, folder, training.image or slurm.image)
    trains = mebibytes(training.memory_gb)
    memory = _memory(max(_SMALL_MB, trains // 2) if trains else 0)
    size = ["--ntasks=1", f"--cpus-per-task={training.cores}", *memory]
    return _script(
        "report",
        folder,
        slurm,
        couloir=couloir,
        head=[*_place(slurm, None, slurm.walltime), *size, *slurm.directives],
        setup=training.prologue or slurm.prologue,
        commands={_told_as(command): f"{couloir} {command} run.yaml" for command in stages},
    )


def _place(slurm: SlurmConfig, training: SlurmTraining | None, walltime: str) -> list[str]:
    """Say where a job runs, who pays, and what SLURM is to do about its time."""
    named = {name: getattr(training, name, None) or getattr(slurm, name) for name in _ACCOUNTED}
    given = [f"--{name}={value}" for name, value in named.items() if value]
    return [*given, f"--time={walltime}", "--requeue", f"--signal=B:TERM@{slurm.warn_s}"]


def _told_as(command: str) -> str:
    """Name the stage under which a command tells how it gets on."""
    return "catalog" if command == "assign" else command


def _memory(asked: int) -> list[str]:
    return [f"--mem={asked}M"] if asked else []


def _script(
    job: str,
    folder: JobFolder,
    slurm: SlurmConfig,
    *,
    couloir: str,
    head: Iterable[str],
    setup: Iterable[str],
    commands: Mapping[str, str],
    followers: Sequence[str] = (),
    stop: str = "kill -TERM $work",
    said: str = "",
) -> Script:
    """Put a job together: what it asks for, sets up and runs, and what follows from how that ended.

    ``commands`` are those of its stages. ``stop`` tells one to stop; ``said`` is the file to which it writes its
    exit code, if it does.
    """
    then = f"; what waits for it is cancelled: {', '.join(followers)}" if followers else ""
    limits = {"requeues": slurm.requeues, "most": _MOST, "later": EXIT_AGAIN}
    ways = dict.fromkeys((couloir, _WITHOUT_CONTAINER))
    note = " ||\n        ".join(f'{way} note-failure "$stage" run.yaml "$2"' for way in ways)
    first = next(iter(commands))
    where = shlex.quote(str(folder.path))
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name=couloir-{job}",
        f"#SBATCH --output={shlex.quote(str(folder.log(job)))}",
        "#SBATCH --open-mode=append",
        *(f"#SBATCH {option}" for option in head),
        "",
        'unset "${!COULOIR_@}"  # run.yaml holds what they set when this was submitted',
        "",
        FOLLOW.format(
            folder=where, job=job, first=first, note=note, then=then, stop=stop, said=said, **limits
        ).strip("\n"),
        "",
        *([_WRITABLE] if slurm.container == "charliecloud" else []),
        "trap unready EXIT",
        *setup,
        *([_NEWER_WRITABLE] if slurm.container == "charliecloud" else []),
        "[[ $(trap -p EXIT) != *unready* ]] || trap - EXIT  # one of the prologue's own stays",
        f"cd {where} || exit 1",
        *(f"follow {stage} {command}" for stage, command in commands.items()),
        f'echo "couloir: {job} is done"',
    ]
    return Script(job, "\n".join(lines) + "\n")


_WRITABLE = "writable=--write  # folders that are bound need a place in the image"
_NEWER_WRITABLE = "ch-run --help 2>&1 | grep -q -e --write-fake && writable=--write-fake  # or beside it"


def _couloir(slurm: SlurmConfig, folder: JobFolder, image: str | None, *, gpu: bool = False) -> str:
    """Name the command, in its container if there is one."""
    if slurm.container == "none" or image is None:
        return _WITHOUT_CONTAINER
    binds = dict.fromkeys((str(folder.path), *folder.binds, *slurm.binds))
    name, where = shlex.quote(image), shlex.quote(str(folder.path))
    if slurm.container == "apptainer":
        options = [f"--bind {shlex.quote(bind)}" for bind in binds]
        return " ".join(["apptainer exec", *(["--nv"] if gpu else []), *options, name, "couloir"])
    paired = [bind if ":" in bind else f"{bind}:{bind}" for bind in binds]
    if slurm.container == "charliecloud":
        options = [f"--bind={shlex.quote(pair)}" for pair in paired]
        start = f"ch-run --set-env $writable {' '.join(options)} --cd={where}"
        return f"{start} {name} -- couloir"
    options = [f"--volume={shlex.quote(pair)}" for pair in paired]
    device = ["--device=nvidia.com/gpu=all"] if gpu else []
    return " ".join(
        [
            "podman run --rm --env-host --network=host --entrypoint=couloir",
            "--user=0:0",  # who runs podman, where that is not root; the image's own user reads no job folder
            *device,
            *options,
            f"--workdir={where}",
            name,
        ]
    )
