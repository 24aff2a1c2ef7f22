"""Run Couloir from a command line: one command for each stage, and one for all."""

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from couloir import __version__
from couloir.errors import CouloirError, CouloirWarning, TooManyFailuresError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from couloir.config import RunConfig
    from couloir.stages.plan import Plan
    from couloir.store.outcomes import Outcome

EXIT_INTERRUPTED = 130
EXIT_FAILURES = 3
"""Exit code when the run went through, and more station-days failed than allowed."""


class _Commands(click.Group):
    """Keep the commands in the order of the work, and turn expected errors into one clear message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        warnings.showwarning = _show_warning
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on from here", err=True)
            ctx.exit(EXIT_INTERRUPTED)
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
    from couloir.terminal import show_plan

    config = _load(run_file, overrides)
    show_plan(_plan(config), config.compute.workers or os.cpu_count() or 1)


@main.command()
@_run_file
def detect(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Find transients and store their spectrograms.

    Reads the archive. Writes OUTPUT/spectrograms.zarr and OUTPUT/outcomes; months that are complete and of the
    same settings are left as they are.
    """
    from couloir.stages.run import check_failures
    from couloir.terminal import show_cost

    config = _load(run_file, overrides)
    outcomes = _detect(config, _plan(config))
    show_cost(outcomes)
    check_failures(config, outcomes)


@main.command()
@_run_file
def train(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Train the autoencoder and its clustering layer.

    Reads OUTPUT/spectrograms.zarr. Writes OUTPUT/model.
    """
    config = _load(run_file, overrides)
    _train(config, _plan(config))


@main.command()
@_run_file
def catalog(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Assign every event to a cluster and write the tables.

    Reads OUTPUT/spectrograms.zarr and OUTPUT/model. Writes OUTPUT/catalog: Parquet, events.csv, clusters.csv.
    """
    config = _load(run_file, overrides)
    _catalog(config, _plan(config))
    _show_results(config)


@main.command()
@_run_file
def report(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Make the page to look at.

    Reads OUTPUT/spectrograms.zarr, OUTPUT/model, OUTPUT/catalog and OUTPUT/outcomes. Writes
    OUTPUT/report/index.html.
    """
    from couloir.stages.run import places

    config = _load(run_file, overrides)
    _report(config, _plan(config))
    click.echo(places(config).report)


@main.command()
@_run_file
def run(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Do all of it: detect, train, catalog, report.

    Reads the archive. Writes OUTPUT. What an earlier run has done with the same settings is not done again.
    """
    _run_all(_load(run_file, overrides))


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
    _run_all(_load(run_file, ()))


def _load(run_file: Path, overrides: tuple[str, ...]) -> "RunConfig":
    from couloir.runfile import load

    return load(run_file, overrides=overrides)


def _plan(config: "RunConfig") -> "Plan":
    from couloir.stages.plan import plan

    return plan(config)


def _run_all(config: "RunConfig") -> None:
    from couloir.stages.run import check_failures

    made = _plan(config)
    outcomes = _detect(config, made)
    check_failures(config, outcomes)
    _train(config, made)
    _catalog(config, made)
    _report(config, made)
    _show_results(config, outcomes)


def _detect(config: "RunConfig", made: "Plan") -> "list[Outcome]":
    from couloir.compute import open_pool
    from couloir.stages.detect import detect
    from couloir.stages.run import keep_settings
    from couloir.terminal import progress_bar, show_outcomes

    keep_settings(config)
    events = 0
    with progress_bar() as bar, open_pool(config.compute) as pool:
        task = bar.add_task("detect", total=made.station_days, note="")

        def tell(outcome: "Outcome") -> None:
            nonlocal events
            events += outcome.events
            bar.update(task, advance=1, note=f"{events:,} events")
            if outcome.status != "ok":
                bar.console.print(f"  {outcome.station_day}: {outcome.status}: {outcome.reason}", markup=False)

        outcomes = detect(config, made.inventory, pool, progress=tell, sensitivities=made.sensitivities)
    show_outcomes(outcomes)
    return outcomes


def _train(config: "RunConfig", made: "Plan") -> None:
    from couloir.stages.run import keep_settings, open_archive
    from couloir.stages.train import train
    from couloir.terminal import progress_bar

    keep_settings(config)
    archive = open_archive(config, made)
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def tell(phase: str, done: int, total: int, message: str) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total, note="")
            bar.update(tasks[phase], completed=done, total=total, note=message)

        if not train(config, archive, progress=tell):
            bar.console.print("train: the model is there already")


def _catalog(config: "RunConfig", made: "Plan") -> None:
    from couloir.stages.catalog import catalog
    from couloir.stages.run import keep_settings, open_archive
    from couloir.terminal import console

    keep_settings(config)
    with console.status("catalog"):
        fresh = catalog(config, open_archive(config, made))
    console.print("catalog: written" if fresh else "catalog: it is there already")


def _report(config: "RunConfig", made: "Plan") -> None:
    from couloir.stages.report import report
    from couloir.stages.run import open_archive
    from couloir.stages.settings import output_of
    from couloir.store.outcomes import read_outcomes
    from couloir.terminal import console

    with console.status("report"):
        outcomes = read_outcomes(output_of(config), sorted(made.inventory.blocks))
        fresh = report(config, open_archive(config, made), outcomes)
    console.print("report: written" if fresh else "report: it is there already")


def _show_results(config: "RunConfig", outcomes: "Sequence[Outcome]" = ()) -> None:
    from couloir.catalog.clusters import read_clusters
    from couloir.stages.assessment import read_assessment
    from couloir.stages.run import places
    from couloir.stages.settings import output_of
    from couloir.terminal import show_assessment, show_clusters, show_cost

    place = output_of(config) / "catalog"
    click.echo()
    show_clusters(read_clusters(place))
    if assessment := read_assessment(place):
        click.echo()
        show_assessment(assessment)
    if outcomes:
        click.echo()
        show_cost(outcomes)
    click.echo(f"\nCatalog: {places(config).catalog}\nReport:  {places(config).report}")


if __name__ == "__main__":
    sys.exit(main())
