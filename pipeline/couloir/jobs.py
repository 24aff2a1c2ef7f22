"""Run the stages as their user sees them: the output held, bars while they work, tables when they have ended."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from couloir import stop
from couloir.terminal import (
    console,
    progress_bar,
    show_assessment,
    show_clusters,
    show_cost,
    show_naming,
    show_outcomes,
)

if TYPE_CHECKING:
    from couloir.config import RunConfig
    from couloir.stages.plan import Plan
    from couloir.store.hold import Hold
    from couloir.store.outcomes import Outcome
    from couloir.store.spectrograms import SpectrogramArchive


@dataclass(frozen=True)
class Job:
    """Hold what the stages of a run need."""

    config: "RunConfig"
    plan: "Plan"
    hold: "Hold"

    @cached_property
    def archive(self) -> "SpectrogramArchive":
        """The spectrogram archive, opened once it is complete."""
        from couloir.stages.run import open_archive

        return open_archive(self.config, self.plan)


@contextmanager
def job(config: "RunConfig", *, redo: bool = False) -> Iterator[Job]:
    """Hold the output, plan, and refuse to replace what other settings made, unless it shall be made again.

    Parameters
    ----------
    config : RunConfig
    redo : bool
        Whether its stages may replace what other settings made.
    """
    from couloir.stages.changes import refuse_changes
    from couloir.stages.plan import plan
    from couloir.stages.run import holding, keep_settings

    with holding(config, tell=console.print) as hold:
        made = plan(config)
        if not redo:
            refuse_changes(config, made.inventory.blocks)
        keep_settings(config)
        yield Job(config, made, hold)


def run_all(config: "RunConfig", *, redo: bool = False) -> None:
    """Run every stage, and show what came of it."""
    from couloir.stages.run import check_failures

    with job(config, redo=redo) as this:
        outcomes = detect(this)
        check_failures(config, outcomes)
        train(this)
        catalog(this)
        report(this)
    show_results(config, outcomes)


def detect(job: Job) -> "list[Outcome]":
    """Detect, and show how many station-days came to what."""
    from couloir.compute import open_pool
    from couloir.stages.detect import detect as detect_days

    events = 0
    with progress_bar() as bar, open_pool(job.config.compute) as pool:
        task = bar.add_task("detect", total=job.plan.station_days, note="")

        def tell(outcome: "Outcome") -> None:
            nonlocal events
            events += outcome.events
            bar.update(task, advance=1, note=f"{events:,} events")
            if outcome.status != "ok":
                bar.console.print(f"  {outcome.station_day}: {outcome.status}: {outcome.reason}", markup=False)

        outcomes = detect_days(
            job.config,
            job.plan.inventory,
            pool,
            progress=tell,
            sensitivities=job.plan.sensitivities,
            hold=job.hold,
        )
    show_outcomes(outcomes)
    return outcomes


def train(job: Job) -> None:
    """Train, and say when the model is there already."""
    from couloir.stages.train import train as train_model

    archive = job.archive
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def check_stop() -> None:
            job.hold.check()
            stop.check()

        def tell(phase: str, done: int, total: int, message: str) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total, note="")
            bar.update(tasks[phase], completed=done, total=total, note=message)

        with stop.at_checks_only():
            fresh = train_model(job.config, archive, progress=tell, check_stop=check_stop)
        if not fresh:
            bar.console.print("train: the model is there already")


def catalog(job: Job) -> None:
    """Make the catalog, and say when it is there already."""
    from couloir.stages.catalog import catalog as make_catalog

    job.hold.check()
    with console.status("catalog"):
        fresh = make_catalog(job.config, job.archive, check=job.hold.check)
    console.print("catalog: written" if fresh else "catalog: it is there already")


def report(job: Job) -> None:
    """Make the report, and say when it is there already."""
    from couloir.stages.report import report as make_report
    from couloir.stages.settings import output_of
    from couloir.store.outcomes import read_outcomes

    job.hold.check()
    with console.status("report"):
        outcomes = read_outcomes(output_of(job.config), sorted(job.plan.inventory.blocks))
        fresh = make_report(job.config, job.archive, outcomes, check=job.hold.check)
    console.print("report: written" if fresh else "report: it is there already")


def show_results(config: "RunConfig", outcomes: "Sequence[Outcome]" = ()) -> None:
    """Show the clusters, the scores and the costs, and where the rest is."""
    from couloir.catalog.clusters import read_clusters
    from couloir.stages.assessment import read_assessment
    from couloir.stages.naming import read_naming
    from couloir.stages.run import places
    from couloir.stages.settings import output_of

    place = output_of(config) / "catalog"
    click.echo()
    show_clusters(read_clusters(place))
    if assessment := read_assessment(place):
        click.echo()
        show_assessment(assessment)
    if naming := read_naming(place):
        click.echo()
        show_naming(naming)
    if outcomes:
        click.echo()
        show_cost(outcomes)
    click.echo(f"\nCatalog: {places(config).catalog}\nReport:  {places(config).report}")
