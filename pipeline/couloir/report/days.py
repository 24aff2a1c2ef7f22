"""Work out what the report says about the station-days: totals, each station, and what went wrong when."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from couloir.report.data import STATUSES, DayOutcome

MOST_PROBLEMS = 150


@dataclass(frozen=True)
class StationRow:
    """Sum up one station: its days by outcome and its events."""

    station: str
    days: int
    ok: int
    empty: int
    unusable: int
    events: int


@dataclass(frozen=True)
class Problem:
    """Say that a station had one same problem on consecutive days, both ends inclusive."""

    station: str
    first: dt.date
    last: dt.date
    status: str
    reason: str

    @property
    def days(self) -> int:
        """Days it lasted."""
        return (self.last - self.first).days + 1


def totals(outcomes: Iterable[DayOutcome]) -> tuple[tuple[str, int], ...]:
    """Count the station-days of each outcome that occurs, the best outcome first."""
    counts = Counter(outcome.status for outcome in outcomes)
    return tuple((status, counts[status]) for status in STATUSES if counts[status])


def station_rows(outcomes: Iterable[DayOutcome]) -> tuple[StationRow, ...]:
    """Sum up each station, by name."""
    by_station: dict[str, list[DayOutcome]] = {}
    for outcome in outcomes:
        by_station.setdefault(outcome.station, []).append(outcome)
    rows = []
    for station, own in sorted(by_station.items()):
        counts = Counter(outcome.status for outcome in own)
        unusable = len(own) - counts["ok"] - counts["empty"]
        events = sum(outcome.events for outcome in own)
        rows.append(StationRow(station, len(own), counts["ok"], counts["empty"], unusable, events))
    return tuple(rows)


def problems(outcomes: Sequence[DayOutcome]) -> tuple[Problem, ...]:
    """Join what was not ok on consecutive days for the same reason; the worst outcome first."""
    bad = [outcome for outcome in outcomes if outcome.status != "ok"]
    runs: list[Problem] = []
    for own in sorted(bad, key=lambda outcome: (outcome.station, outcome.status, outcome.reason, outcome.day)):
        before = runs[-1] if runs else None
        if before and _continues(before, own):
            runs[-1] = Problem(before.station, before.first, own.day, before.status, before.reason)
        else:
            runs.append(Problem(own.station, own.day, own.day, own.status, own.reason))
    return tuple(sorted(runs, key=lambda run: (-STATUSES.index(run.status), run.station, run.first)))


def _continues(run: Problem, outcome: DayOutcome) -> bool:
    same = (run.station, run.status, run.reason) == (outcome.station, outcome.status, outcome.reason)
    return same and (outcome.day - run.last).days <= 1
