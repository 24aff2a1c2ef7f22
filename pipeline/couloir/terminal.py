"""Show plans, progress and results on a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from couloir.catalog.clusters import ClusterRow
from couloir.identifiers import BandId
from couloir.stages.assessment import Assessment
from couloir.stages.naming import naming_in_words
from couloir.stages.outcomes import count_up
from couloir.stages.plan import Plan
from couloir.stages.throughput import add_up
from couloir.store.outcomes import Outcome

if TYPE_CHECKING:
    from couloir.dec.naming import Naming
    from couloir.stages.card import Card
    from couloir.stages.comparison import Row, Selection
    from couloir.stages.verify import Verified

console = Console(stderr=True, highlight=False, markup=False, emoji=False)
out = Console(highlight=False, markup=False, emoji=False)
"""Neither reads signs into what it shows: names of classes, files and stations are the users' own."""
_REASONS, _OTHERS = 10, 4
"""How many lines of what was left out are shown, and how many other sensors of a station."""


class _Rate(ProgressColumn):
    """Show steps a second, or seconds a step."""

    def render(self, task: Task) -> Text:
        return Text(show_rate(task.finished_speed or task.speed))


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show bars with rate and remaining time while the block runs."""

    def fixed(width: int) -> Column:
        return Column(no_wrap=True, min_width=width)

    columns = (
        TextColumn("{task.description}", markup=False, table_column=fixed(10)),
        BarColumn(bar_width=12),
        MofNCompleteColumn(table_column=fixed(9)),
        _Rate(table_column=fixed(10)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=fixed(5)),
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=console, expand=False) as progress:
        yield progress


def show_plan(plan: Plan, workers: int) -> None:
    """Print what a run would do."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    chosen = any(band.beside for band in plan.bands)
    others = ["left out of its station"] if chosen else []
    for name in ("sensor", "components", "days", "MB", "missing", *others):
        table.add_column(name, justify="right" if name in ("days", "MB") else "left")
    for band in plan.bands:
        note = f"  ({band.incomplete} days without all three)" if band.incomplete else ""
        table.add_row(
            str(band.band),
            band.components + note,
            str(band.days),
            f"{band.size / 1e6:,.0f}",
            _missing(band.missing),
            *([_beside(band.beside)] if chosen else []),
        )
    out.print(table)
    out.print(
        f"\n{_count(plan.station_days, 'station-day')} of {_count(len(plan.bands), 'sensor')} "
        f"in {_count(plan.period_days, 'day')}, {plan.size / 1e6:,.0f} MB; "
        f"{_count(plan.missing_days, 'station-day')} without a file."
    )
    for pattern in plan.unmatched:
        out.print(f"Nothing matches {pattern} of archive.select")
    for sensor, known in sorted(plan.sensitivities.items()):
        if not known:
            out.print(f"Nothing of {sensor} in archive.stationxml: its amplitudes stay counts")
    if chosen:
        out.print("One sensor of a station is taken: the first by archive.band_priority, or name it in select.")
    skipped = sorted(plan.inventory.skipped.items())
    for reason, number in skipped[:_REASONS]:
        out.print(f"Left out: {reason} ({_count(number, 'time')})")
    if len(skipped) > _REASONS:
        out.print(f"Left out for {len(skipped) - _REASONS} other reasons")
    out.print(
        f"Detection should take about {in_words(plan.core_seconds / workers)} on {_count(workers, 'worker')}, "
        f"with up to {plan.memory_bytes / 1e9:.1f} GB each."
    )


def show_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print how many station-days came to what."""
    console.print(count_up(outcomes))


def show_refused(chosen: Sequence[Outcome], outcomes: Sequence[Outcome], folder: str) -> None:
    """Print the chosen outcomes with their reasons, paths within a folder, then the number of each status."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("status")
    table.add_column("station-day", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for outcome in chosen:
        reason = (outcome.reason or f"{outcome.events:,} events").replace(folder, "")
        table.add_row(outcome.status, str(outcome.station_day), Text("\n".join(reason.split("; "))))
    if chosen:
        out.print(table)
        out.print()
    out.print(count_up(outcomes))


def show_cost(outcomes: Sequence[Outcome]) -> None:
    """Print what the station-days cost, step by step, and the slowest of them."""
    cost = add_up(outcomes)
    if not cost.total:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("step", "core seconds", "share"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for name, seconds in (*cost.seconds, ("total", cost.total)):
        table.add_row(name, f"{seconds:,.1f}", f"{seconds / cost.total:.0%}")
    console.print(table)
    console.print(
        f"A core: {cost.channel_days_per_core_hour:,.0f} channel-days/h, "
        f"{cost.megabytes_per_core_second:.1f} MB/s, {cost.events_per_core_second:.1f} events/s."
    )
    for outcome, seconds in cost.slowest:
        console.print(f"  slowest: {outcome.station_day} {seconds:.1f} s, {outcome.read_bytes / 1e6:,.0f} MB")


def show_clusters(rows: Sequence[ClusterRow]) -> None:
    """Print the table of clusters."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("cluster", "events", "rejected", "typical hour (UTC)", "majority class", "purity", "labelled"):
        table.add_column(name, justify="left" if name == "majority class" else "right")
    for row in sorted(rows, key=lambda row: -row.events):
        table.add_row(
            str(row.cluster),
            f"{row.events:,}",
            f"{row.rejected:,}",
            "-" if row.typical_hour is None else f"{row.typical_hour:02d}-{(row.typical_hour + 1) % 24:02d}",
            row.majority_class or "-",
            "-" if row.purity is None else f"{row.purity:.2f}",
            f"{row.labelled:,}",
        )
    out.print(table)


def show_assessment(assessment: Assessment) -> None:
    """Print the scores of the clusterings."""
    table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    table.add_column("method")
    for name in ("purity", "NMI", "ARI", "Hungarian accuracy"):
        table.add_column(name, justify="right")
    for row in assessment.methods:
        values = (row.purity, row.nmi, row.ari, row.hungarian_accuracy)
        table.add_row(row.method, *(f"{value:.3f}" for value in values))
    out.print(table)


def show_card(card: "Card") -> None:
    """Print what a model is."""
    names = [f"{number} {card.names.get(number, '-')}" for number in range(card.clusters)]
    provenance = card.provenance
    facts: dict[str, str] = {
        "model": card.origin,
        **_training_facts(provenance),
        "clusters": ", ".join(names) if card.names else str(card.clusters),
        **{name: _in_words(value) for name, value in card.preprocessing.items()},
        **{name: str(provenance[name]) for name in ("sha256", "archive", "model_id") if name in provenance},
        "versions": ", ".join(f"{name} {number}" for name, number in provenance.get("versions", {}).items()),
    }
    for name, value in facts.items():
        out.print(f"{name:<{max(map(len, facts))}}  {value}", soft_wrap=True)


def _training_facts(made: Mapping[str, Any]) -> dict[str, str]:
    """Gather how a model was trained; nothing of one that was imported."""
    if "train" not in made:
        return {}
    seed, seeds = made["train"]["seed"], made.get("seeds", ())
    several = f", of the seeds {', '.join(map(str, seeds))} that agrees best with the others" if seeds else ""
    return {"preset": made["preset"], "seed": f"{seed}{several}"}


def show_selection(selection: "Selection") -> None:
    """Print the criteria of each number of clusters, and the recommendation."""
    rows = selection.rows
    columns: dict[str, Callable[[Row], str]] = {
        "K": lambda row: f"{row.clusters}{' *' if row.clusters == selection.recommended else '  '}",
        "stability": lambda row: f"{row.stability:.2f} ± {row.stability_error:.2f}",
        "weakest": lambda row: f"{row.weakest:.2f} ± {row.weakest_error:.2f}",
        "silhouette": lambda row: _number(row.silhouette),
        "gap": lambda row: f"{row.gap:.3f}",
        "recon-\nstruction": lambda row: _number(row.centroid_error),
    }
    if rows[0].joint_error is not None:
        columns["joint\nagree-\nment"] = lambda row: _number(row.joint_agreement)
        columns["joint\nrecon-\nstruction"] = lambda row: _number(row.joint_error)
    if any(row.tuning_ari is not None for row in rows):
        columns["tuning\nARI"] = lambda row: _number(row.tuning_ari)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))  # within 80 columns
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(show(row) for show in columns.values()))
    out.print(table)
    out.print(f"\n{selection.reason}", soft_wrap=True)
    if selection.score:
        score = selection.score
        out.print(
            f"On the {score['n']:,} labelled events of the half that no choice has seen: "
            f"purity {score['purity']:.3f}, NMI {score['nmi']:.3f}, ARI {score['ari']:.3f}, "
            f"Hungarian accuracy {score['hungarian_accuracy']:.3f}.",
            soft_wrap=True,
        )


def show_stability(stability: Mapping[str, Any]) -> None:
    """Print how far the trainings from several seeds agree."""
    console.print(
        f"{len(stability['seeds'])} seeds agree by ARI {stability['mean_ari']:.3f} on average, "
        f"{stability['mean_matched_accuracy']:.1%} of events in matched clusters; all agree on "
        f"{stability['unanimous']:.1%} of events. The model is that of seed {stability['model_seed']}."
    )


def show_naming(naming: "Naming") -> None:
    """Print how well the clusters' names tell each class, and how many labels were enough."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("class, by names made without it")
    for name in ("labels", "precision", "recall"):
        table.add_column(name, justify="right")
    for row in naming.classes:
        precision = "-" if row.precision is None else f"{row.precision:.3f}"
        table.add_row(Text(row.name), f"{row.labels:,}", precision, f"{row.recall:.3f}")
    out.print(table)
    out.print(naming_in_words(naming))


def show_verified(found: "Verified") -> None:
    """Print what a verification found."""
    for stage in found.missing:
        out.print(f"not there: {stage}")
    for problem in found.problems:
        out.print(f"{problem.place}: {problem.what}", soft_wrap=True)
    told = "all as they were written" if not found.problems else f"{_count(len(found.problems), 'problem')}"
    out.print(f"{_count(found.objects, 'object')}, {found.size / 1e6:,.1f} MB: {told}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _missing(stretches: Sequence[tuple[object, object]]) -> str:
    shown = [str(a) if a == b else f"{a} to {b}" for a, b in stretches[:3]]
    return ", ".join(shown) + (f" and {len(stretches) - 3} more stretches" if len(stretches) > 3 else "") or "none"


def _beside(others: Mapping[BandId, int]) -> str:
    most = sorted(others, key=lambda band: (-others[band], band))
    shown = [f"{band.location or '--'}.{band.band_instrument}" for band in most[:_OTHERS]]
    return " ".join(shown) + (f" and {len(most) - _OTHERS} more" if len(most) > _OTHERS else "")


def show_rate(speed: float | None) -> str:
    """Write steps a second, or seconds a step."""
    if not speed:
        return ""
    return f"{speed:,.1f}/s" if speed >= 1 else f"{1 / speed:,.1f} s each"


def in_words(seconds: float) -> str:
    """Write a time as one reads it."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
