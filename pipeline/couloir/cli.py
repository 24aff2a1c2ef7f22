"""Run Couloir from a command line: one command for each stage, and one for all."""

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from couloir import __version__
from couloir.errors import CouloirError, CouloirWarning, DamagedError, Terminated, TooManyFailuresError
from couloir.stop import listen

if TYPE_CHECKING:
    from couloir.config import RunConfig

EXIT_INTERRUPTED = 130
EXIT_STOPPED = 143
"""Exit code after SIGTERM: what was complete stays, and the same command goes on from there."""
EXIT_FAILURES = 3
"""Exit code when the run went through, and more station-days failed than allowed."""


class _Commands(click.Group):
    """Keep the commands in the order of the work, and turn expected errors into one clear message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        warnings.showwarning = _show_warning
        listen()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            terminated = isinstance(stop, Terminated)
            what = "stopped by SIGTERM" if terminated else "interrupted"
            click.echo(f"{what}; the same command goes on from here", err=True)
            ctx.exit(EXIT_STOPPED if terminated else EXIT_INTERRUPTED)
        except CouloirError as error:
            click.secho("couloir: ", fg="red", nl=False, err=True)
            click.echo(str(error), err=True)
            ctx.exit(EXIT_FAILURES if isinstance(error, TooManyFailuresError) else 1)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print Couloir's own warnings as a sentence; those of libraries are not for its users."""
    if issubclass(category, CouloirWarning):
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(str(message), err=True)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="couloir")
def main() -> None:
    """Turn years of continuous seismic recordings into a catalog of clustered events.

    \b
    couloir demo                 see it work on a synthetic archive
    couloir init > run.yaml      write a run file with every setting explained
    couloir plan run.yaml        see what a run would do, and what it would cost
    couloir run run.yaml         do it: detect, train, catalog, report
    couloir verify run.yaml      read all of it again, and say what is not as it was written
    """  # noqa: D301 - \b is click's sign to leave the lines below it as they are


def _run_file(command: Any) -> Any:
    option = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Change a setting, like --set detect.on_factor=10; goes before environment and run file.",
    )
    argument = click.argument("run_file", type=click.Path(path_type=Path), metavar="RUN_FILE")
    return argument(option(command))


_redo = click.option(
    "--redo", is_flag=True, help="Make again, in its place, what other settings made; without it that is refused."
)


_seeds = click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Train N times, from train.seed on; short for --set train.seeds=N, which later commands need, too.",
)


@main.command()
@click.option("--archive", default="/path/to/sds", show_default=True, help="Folder or URL of the recordings.")
@click.option("--output", default="couloir-output", show_default=True, help="Folder or URL for the results.")
@click.option("--select", default="*.*.*.*", show_default=True, help="Channels, like GG.*.10.EH?")
@click.option("--start", default="2020-01-01", show_default=True, help="First UTC day.")
@click.option("--end", default="2021-01-01", show_default=True, help="The day after the last UTC day.")
def init(**values: str) -> None:
    """Write a commented run file to standard output.

    Reads nothing. Settings that are commented out show their defaults, the published method.
    """
    from couloir.runfile import loads, template

    text = template(**values)
    loads(text)
    click.echo(text, nl=False)


@main.command()
@_run_file
def plan(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Show what exists, what is missing and what a run would cost.

    Reads the archive's listing only. Writes nothing.
    """
    from couloir.stages.plan import plan as make_plan
    from couloir.terminal import show_plan

    config = _load(run_file, overrides)
    show_plan(make_plan(config), config.compute.workers or os.cpu_count() or 1)


@main.command()
@_run_file
@_redo
def detect(run_file: Path, overrides: tuple[str, ...], *, redo: bool) -> None:
    """Find transients and store their spectrograms.

    Reads the archive. Writes OUTPUT/spectrograms.zarr and OUTPUT/outcomes; months that are complete and of the
    same settings are left as they are.
    """
    from couloir import jobs
    from couloir.stages.run import check_failures
    from couloir.terminal import show_cost

    config = _load(run_file, overrides)
    with jobs.job(config, redo=redo) as job:
        outcomes = jobs.detect(job)
    show_cost(outcomes)
    check_failures(config, outcomes)


@main.command()
@_run_file
@_redo
@_seeds
@click.option(
    "--select-k", metavar="LOW:HIGH", help="Train nothing: compare these numbers of clusters, like 2:14."
)
@click.option(
    "--refine", type=click.IntRange(1), metavar="N", help="With --select-k: N joint iterations for each K."
)
def train(
    run_file: Path,
    overrides: tuple[str, ...],
    *,
    redo: bool,
    seeds: int | None,
    select_k: str | None,
    refine: int | None,
) -> None:
    """Train the autoencoder and its clustering layer.

    Reads OUTPUT/spectrograms.zarr. Writes OUTPUT/model, or with --select-k OUTPUT/select-k.
    """
    from couloir import jobs

    if refine is not None and select_k is None:
        raise click.UsageError("--refine goes with --select-k")
    with jobs.job(_load(run_file, _with_seeds(overrides, seeds)), redo=redo) as job:
        if select_k is None:
            jobs.train(job, replace_imported=redo)
        else:
            jobs.select(job, select_k, refine)


@main.command()
@_run_file
def catalog(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Assign every event to a cluster and write the tables.

    Reads OUTPUT/spectrograms.zarr and OUTPUT/model. Writes OUTPUT/catalog: Parquet, events.csv, clusters.csv.
    """
    from couloir import jobs

    config = _load(run_file, overrides)
    with jobs.job(config) as job:
        jobs.catalog(job)
    jobs.show_results(config)


@main.command()
@_run_file
def assign(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Apply the model that is there to every event, without training.

    For new months after archive.end was moved on and `couloir detect` has run, and for an imported model.
    Reads OUTPUT/spectrograms.zarr and OUTPUT/model, whatever that was trained on. Writes OUTPUT/catalog and
    OUTPUT/report, and says how the events compare with those of the training.
    """
    from couloir import jobs

    config = _load(run_file, overrides)
    with jobs.job(config) as job:
        jobs.assign(job)
        jobs.report(job)
    jobs.show_results(config)


@main.group()
def model() -> None:
    """Bring a model from elsewhere, and show what model there is."""


@model.command("import")
@click.argument("file", metavar="FILE.h5")
@_run_file
@click.option(
    "--names", metavar="NAMES", help="What clusters are called: 0=earthquake,3=rockfall or a CSV of cluster,class."
)
@click.option(
    "--take-settings",
    is_flag=True,
    help="The file was trained on spectrograms as the run file makes them, not on the published ones.",
)
@_redo
def import_(
    file: str,
    run_file: Path,
    overrides: tuple[str, ...],
    *,
    names: str | None,
    take_settings: bool,
    redo: bool,
) -> None:
    """Make published weights (Keras 2, h5) the run's model.

    Reads FILE.h5, a path or a URL. Writes OUTPUT/model. `couloir run` then uses it and does not train.
    """
    from couloir import jobs

    jobs.import_model(_load(run_file, overrides), file, names=names, take_settings=take_settings, redo=redo)


@model.command()
@_run_file
def show(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Show where the model comes from, its clusters' names, and what spectrograms it takes.

    Reads OUTPUT/model. Writes to standard output only.
    """
    from couloir import jobs

    jobs.show_model(_load(run_file, overrides))


@main.command()
@_run_file
def report(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Make the page to look at.

    Reads OUTPUT/spectrograms.zarr, OUTPUT/model, OUTPUT/catalog and OUTPUT/outcomes. Writes
    OUTPUT/report/index.html.
    """
    from couloir import jobs
    from couloir.stages.run import places

    config = _load(run_file, overrides)
    with jobs.job(config) as job:
        jobs.report(job)
    click.echo(places(config).report)


@main.command()
@_run_file
@_redo
@_seeds
def run(run_file: Path, overrides: tuple[str, ...], *, redo: bool, seeds: int | None) -> None:
    """Do all of it: detect, train, catalog, report.

    Reads the archive. Writes OUTPUT. What an earlier run has done with the same settings is not done again.
    """
    from couloir.jobs import run_all

    run_all(_load(run_file, _with_seeds(overrides, seeds)), redo=redo)


@main.command()
@_run_file
def verify(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Read the whole output again, and say what is not as it was written.

    Reads OUTPUT, every byte. Writes nothing. Exit code 1 when anything is damaged.
    """
    from couloir.stages.verify import verify as verify_output
    from couloir.terminal import progress_bar, show_verified

    config = _load(run_file, overrides)
    with progress_bar() as bar:
        task = bar.add_task("verify", total=None, note="")
        found = verify_output(config, progress=lambda done, total: bar.update(task, completed=done, total=total))
    show_verified(found)
    if found.problems:
        raise DamagedError(
            f"{len(found.problems)} problems in {config.output.url}. Remove the damaged month's folder in "
            "spectrograms.zarr, or model, catalog or report, and run again: only that is made anew."
        )


@main.command()
@_run_file
@click.option("--status", metavar="NAMES", help="Only these, like --status unreadable,failed.")
@click.option("--all", "everything", is_flag=True, help="Those that are ok, too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="csv and json hold remarks, bytes and seconds as well.",
)
def outcomes(
    run_file: Path,
    overrides: tuple[str, ...],
    *,
    status: str | None,
    everything: bool,
    form: str,
) -> None:
    """List what became of the station-days: those refused, and why.

    Reads OUTPUT/outcomes. Writes to standard output only. The exit code is that of `couloir detect`.
    """
    from couloir.stages.outcomes import archive_path, choose, recorded_outcomes, write_csv, write_json
    from couloir.stages.run import check_failures
    from couloir.terminal import show_refused

    config = _load(run_file, overrides)
    found = recorded_outcomes(config)
    chosen = choose(found, statuses=status, everything=everything)
    if form == "table":
        show_refused(chosen, found, archive_path(config))
    else:
        {"csv": write_csv, "json": write_json}[form](chosen, sys.stdout)
    check_failures(config, found)


@main.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--start", default="2024-03-04", show_default=True, help="First UTC day.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1), help="Length, days.")
@click.option("--stations", default=4, show_default=True, type=click.IntRange(1), help="Number of stations.")
@click.option("--activity", default=1.0, show_default=True, help="Multiplies how many events there are.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same archive.")
@click.option("--workers", default=None, type=click.IntRange(1), help="Processes; as many as cores by default.")
def synth(
    folder: str, start: str, days: int, stations: int, activity: float, seed: int, workers: int | None
) -> None:
    """Write a synthetic archive whose events are known.

    Reads nothing. Writes an SDS tree and truth.csv to FOLDER, a path or a URL.
    """
    import datetime as dt

    from couloir.errors import ConfigError
    from couloir.synth import SynthSpec, write_archive
    from couloir.terminal import progress_bar

    try:
        first = dt.date.fromisoformat(start)
    except ValueError as error:
        raise ConfigError(f"--start {start}: expected a date like 2024-03-04") from error
    spec = SynthSpec(start=first, days=days, stations=stations, activity=activity, seed=seed)
    with progress_bar() as bar:
        task = bar.add_task("synthesise", total=days * stations, note="")
        truth = write_archive(
            folder,
            spec,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            workers=workers or os.cpu_count() or 1,
        )
    click.echo(truth)


@main.command()
@click.argument("folder", default="demo-output", metavar="[FOLDER]")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1), help="Length, days.")
@click.option("--stations", default=4, show_default=True, type=click.IntRange(1), help="Number of stations.")
@click.option("--workers", default=None, type=click.IntRange(1), help="Processes; as many as cores by default.")
def demo(folder: str, days: int, stations: int, workers: int | None) -> None:
    """Run the whole job on a synthetic archive, in a few minutes.

    Reads nothing. Writes FOLDER: the archive, its truth, run.yaml, and the run's output. FOLDER may be a URL, like
    s3://bucket/prefix; the run file is then demo.yaml in the working directory. AWS_ENDPOINT_URL names a server
    that is not Amazon's.
    """
    from couloir.jobs import run_all
    from couloir.stages.demo import prepare_demo
    from couloir.terminal import progress_bar

    with progress_bar() as bar:
        task = bar.add_task("synthesise", total=days * stations, note="")
        run_file = prepare_demo(
            folder,
            days=days,
            stations=stations,
            workers=workers or os.cpu_count() or 1,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    click.echo(f"Settings: {run_file}", err=True)
    run_all(_load(run_file, ()))


def _with_seeds(overrides: tuple[str, ...], seeds: int | None) -> tuple[str, ...]:
    if seeds is None:
        return overrides
    click.echo(
        f"Put `seeds: {seeds}` into the run file's train section: catalog and report need it, too.", err=True
    )
    return (*overrides, f"train.seeds={seeds}")


def _load(run_file: Path, overrides: tuple[str, ...]) -> "RunConfig":
    from couloir.runfile import load

    return load(run_file, overrides=overrides)


if __name__ == "__main__":
    sys.exit(main())
