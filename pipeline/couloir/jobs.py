"""Run the stages as their user sees them: the output held, bars while they work, tables when they have ended."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
    show_selection,
    show_stability,
)

if TYPE_CHECKING:
    from couloir.config import ComputeConfig, RunConfig
    from couloir.stages.plan import Plan
    from couloir.store.hold import Hold
    from couloir.store.outcomes import Outcome
    from couloir.store.recorder import Recorder
    from couloir.store.spectrograms import SpectrogramArchive

_UNITS = {"pretrain": "steps", "k-means": "starts", "cluster": "iterations", "assign": "events"}
"""What the phases of a training count."""


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
def job(config: "RunConfig", *, redo: bool = False, trains: bool = True, detects: bool = False) -> Iterator[Job]:
    """Hold the output, plan, and refuse to replace what other settings made, unless it shall be made again.

    Parameters
    ----------
    config : RunConfig
    redo : bool
        Whether its stages may replace what other settings made.
    trains : bool
        Whether a model may come of it or is used. Else only detection must be of the same settings, and those that
        the output holds, which are its model's, stay as they are.
    detects : bool
        Whether detection is among its stages. Else the output must be of the station-days that are asked for.
    """
    from couloir.stages.changes import refuse_changes, refuse_other_period
    from couloir.stages.plan import plan
    from couloir.stages.run import holding, keep_settings
    from couloir.stages.seeds import with_held_seeds

    with holding(config, tell=console.print) as hold:
        with _recording(hold, "plan"):
            config = with_held_seeds(config)
            if not detects:
                refuse_other_period(config)
            made = plan(config)
            if not redo:
                stages = ("detect", "train") if trains else ("detect",)
                refuse_changes(config, made.inventory.blocks, stages=stages)
            if trains:
                keep_settings(config)
        yield Job(config, made, hold)


def _recording(hold: "Hold", stage: str) -> "AbstractContextManager[Recorder]":
    """Tell in the output how a stage gets on, for `couloir status`."""
    from couloir.store.recorder import recording

    return recording(hold.output, stage, holder=hold.holder)


def run_all(config: "RunConfig", *, redo: bool = False) -> None:
    """Run every stage, and show what came of it."""
    from couloir.compute import joined
    from couloir.stages.run import check_failures

    with joined(config.compute) as compute, job(config, redo=redo, detects=True) as this:
        outcomes = detect(this, compute)
        check_failures(config, outcomes)
        train(this)
        catalog(this)
        report(this)
    show_results(config, outcomes)


def detect(job: Job, compute: "ComputeConfig") -> "list[Outcome]":
    """Detect on some workers, and show how many station-days came to what."""
    from couloir.compute import open_pool
    from couloir.stages.day_count import DayCount
    from couloir.stages.detect import detect as detect_days

    with _recording(job.hold, "detect") as record, progress_bar() as bar:
        count = DayCount(record, job.plan.station_days)
        record.tell(0, count.total, phase="start", unit=count.unit, remark="waiting for workers")
        task = bar.add_task("detect", total=count.total, note="")

        def tell(outcome: "Outcome") -> None:
            count.complete(outcome)
            bar.update(task, advance=1, note=f"{count.counts['events']:,} events")
            if outcome.status != "ok":
                bar.console.print(f"  {outcome.station_day}: {outcome.status}: {outcome.reason}", markup=False)

        with open_pool(compute) as pool:
            outcomes = detect_days(
                job.config,
                job.plan.inventory,
                pool,
                progress=tell,
                sensitivities=job.plan.sensitivities,
                hold=job.hold,
                worked=count.work,
            )
    show_outcomes(outcomes)
    return outcomes


def train(job: Job, *, replace_imported: bool = False) -> None:
    """Train, and say when the model is there already."""
    from couloir.stages.held import held_mark, is_imported
    from couloir.stages.seeds import read_stability
    from couloir.stages.settings import output_of
    from couloir.stages.train import train as train_model

    fresh = _with_bars(
        job,
        "train",
        lambda **told: train_model(job.config, job.archive, replace_imported=replace_imported, **told),
    )
    if not fresh and is_imported(held_mark(job.config)):
        console.print("train: the model is imported; `couloir train --redo` trains one in its place")
    elif not fresh:
        console.print("train: the model is there already")
    if stability := read_stability(output_of(job.config) / "model"):
        show_stability(stability)


def select(job: Job, numbers: str, refine: int | None) -> None:
    """Compare numbers of clusters, and show what speaks for each."""
    from couloir.stages.comparison import FOLDER, PICTURE, read_selection
    from couloir.stages.select import parse_range
    from couloir.stages.select import select as compare
    from couloir.stages.settings import output_of

    chosen = parse_range(numbers)
    if not _with_bars(
        job, FOLDER, lambda **told: compare(job.config, job.archive, numbers=chosen, refine=refine, **told)
    ):
        console.print("train: the comparison is there already")
    show_selection(read_selection(output_of(job.config)))
    click.echo(f"\nPicture: {output_of(job.config) / FOLDER / PICTURE}")


def _with_bars(job: Job, stage: str, work: Callable[..., bool]) -> bool:
    """Do what tells its progress and may be stopped between steps."""
    with _recording(job.hold, stage) as record:
        record.tell(0, 0, phase="start", remark="reading the spectrograms")
        job.archive  # noqa: B018 - what is wrong with it is told before any bar
        with progress_bar() as bar:
            tasks: dict[str, Any] = {}

            def check_stop() -> None:
                job.hold.check()
                stop.check()

            def tell(phase: str, done: int, total: int, message: str) -> None:
                if phase not in tasks:
                    tasks[phase] = bar.add_task(phase, total=total, note="")
                bar.update(tasks[phase], completed=done, total=total, note=message)
                record.tell(done, total, phase=phase, unit=_UNITS.get(phase, ""), remark=message)

            with stop.at_checks_only():
                return work(progress=tell, check_stop=check_stop)


def catalog(job: Job) -> None:
    """Make the catalog, and say when it is there already."""
    from couloir.stages.catalog import catalog as make_catalog

    job.hold.check()
    with _recording(job.hold, "catalog"), console.status("catalog"):
        fresh = make_catalog(job.config, job.archive, check=job.hold.check)
    console.print("catalog: written" if fresh else "catalog: it is there already")


def assign(job: Job) -> None:
    """Apply the model that is there, and say how its events compare with those it was trained on."""
    from couloir.stages.assign import assign as assign_events
    from couloir.stages.drift import read_sentence
    from couloir.stages.settings import output_of

    job.hold.check()
    with _recording(job.hold, "catalog"), console.status("assign"):
        fresh = assign_events(job.config, job.archive, check=job.hold.check)
    console.print("assign: written" if fresh else "assign: it is there already")
    click.echo(read_sentence(output_of(job.config) / "catalog") or "The model was trained on these very events.")


def import_model(config: "RunConfig", file: str, *, names: str | None, take_settings: bool, redo: bool) -> None:
    """Make a file of weights the run's model, and say what it is."""
    from couloir.stages.importing import import_model as import_file
    from couloir.stages.importing import read_names
    from couloir.stages.run import holding

    called = None if names is None else read_names(names)
    with holding(config, tell=console.print) as hold, console.status("model import"):
        fresh = import_file(
            config,
            file,
            names=called,
            take_settings=take_settings,
            redo=redo,
            check=hold.check,
        )
    console.print("model: imported" if fresh else "model: it is there already")
    show_model(config)


def show_model(config: "RunConfig") -> None:
    """Show what the model in the output is."""
    from couloir.stages.held import read_card
    from couloir.terminal import show_card

    show_card(read_card(config))


def report(job: Job) -> None:
    """Make the report, and say when it is there already."""
    from couloir.stages.report import report as make_report
    from couloir.stages.settings import output_of
    from couloir.store.outcomes import read_outcomes

    job.hold.check()
    with _recording(job.hold, "report"), console.status("report"):
        outcomes = read_outcomes(output_of(job.config), sorted(job.plan.inventory.blocks))
        fresh = make_report(job.config, job.archive, outcomes, check=job.hold.check)
    console.print("report: written" if fresh else "report: it is there already")


def show_results(config: "RunConfig", outcomes: "Sequence[Outcome]" = (), *, reported: bool = True) -> None:
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
    click.echo(f"\nCatalog: {places(config).catalog}")
    if reported:
        click.echo(f"Report:  {places(config).report}")
