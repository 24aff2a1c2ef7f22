"""Detect days one by one, and give a trigger that touches midnight to exactly one of them."""

import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from couloir.archive.record import DayReader, DayRecord
from couloir.archive.response import Calibration
from couloir.errors import UnreadableError
from couloir.identifiers import DAY_NS, NS_PER_S
from couloir.kernels.detection import Detection, DetectionRule, detect
from couloir.kernels.grid import Grid
from couloir.kernels.trigger import Trigger

SPARSE = 0.5
"""A component with less than this share of the best one's samples is left out of the day."""
_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class DetectedDay:
    """Hold a day's record, as far as it is used, with what was detected in it."""

    record: DayRecord
    detection: Detection
    calibration: Calibration
    remarks: tuple[str, ...]

    def continuous(self, first: int, last: int) -> bool:
        """Say whether every sample of a stretch of the grid counted."""
        return any(
            bool(((envelope.runs[:, 0] <= first) & (envelope.runs[:, 1] >= last)).any())
            for envelope in self.detection.envelopes
        )


class DetectedDays:
    """Detect days of one sensor, each once, whenever it is asked for.

    A trigger's threshold is that of the day in which its samples lie, so it is looked for in each day by itself.
    Where the last trigger of a day and the first of the next are no further apart than triggers that are merged,
    and no gap lies between, they are one: it belongs to the earlier day. Both days come to the same answer since
    both work on the same samples: a day whose first or last trigger touches midnight reads the day beside it.

    Parameters
    ----------
    reader : DayReader
    rule : DetectionRule
    gives_events : callable
        Says whether a day is worked on and its triggers are kept; one that is not can own none.
    calibration : callable
        Gives the gains of a day's components.
    """

    def __init__(
        self,
        reader: DayReader,
        rule: DetectionRule,
        *,
        gives_events: Callable[[dt.date, DetectedDay], bool] = lambda _day, _found: True,
        calibration: Callable[[dt.date, Iterable[str]], Calibration] = lambda _day, _components: Calibration({}),
    ) -> None:
        self._gives_events = gives_events
        self._calibration = calibration
        self._reader = reader
        self._rule = rule
        self._days: dict[dt.date, DetectedDay | None] = {}
        self.seconds = 0.0

    @property
    def samples_a_day(self) -> int:
        """Grid positions from one midnight to the next."""
        return round(DAY_NS / NS_PER_S * self._reader.sampling_rate)

    @property
    def _reach(self) -> int:
        """Samples, end to onset, over which two triggers of one day would be one."""
        return max(self._rule.trigger.merge, self._rule.trigger.quiet)

    def day(self, day: dt.date) -> DetectedDay:
        """Read and detect one day.

        Raises
        ------
        UnreadableError
            When none of its objects can be read.
        """
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = self._detect(day)
        return known

    def neighbour(self, day: dt.date) -> DetectedDay | None:
        """Read and detect a day beside the one that matters, if there is one that can be read."""
        if day not in self._days:
            try:
                self._days[day] = self._detect(day) if day in self._reader.files else None
            except UnreadableError:
                self._days[day] = None
        return self._days[day]

    def owned_triggers(self, day: dt.date) -> list[Trigger]:
        """List the triggers that belong to a day, in positions of its grid; the last may end in the next day."""
        here = self.day(day)
        triggers = list(here.detection.triggers)
        own = here.record.own
        if triggers and triggers[0].onset - own.start <= self._reach:
            yesterday = day - _ONE_DAY
            before = self.neighbour(yesterday)
            owns = before is not None and self._gives_events(yesterday, before)
            if before is not None and owns and self._joined_end(before, here) is not None:
                del triggers[0]
        if triggers and own.stop - triggers[-1].end <= self._reach:
            after = self.neighbour(day + _ONE_DAY)
            end = None if after is None else self._joined_end(here, after)
            if end is not None:
                triggers[-1] = Trigger(triggers[-1].onset, end)
        return triggers

    def _joined_end(self, earlier: DetectedDay, later: DetectedDay) -> int | None:
        """Give the end, on the earlier day's grid, of a trigger that goes on after midnight; None if none does.

        A trigger that fills the whole later day stays that day's own.
        """
        if not (earlier.detection.triggers and later.detection.triggers):
            return None
        last, first = earlier.detection.triggers[-1], later.detection.triggers[0]
        onset, end = first.onset + self.samples_a_day, first.end + self.samples_a_day
        fills_day = later.record.own.stop - first.end <= self._reach
        if onset - last.end > self._reach or fills_day or not earlier.continuous(last.end - 1, onset):
            return None
        if (earlier.calibration.unit, earlier.calibration.gains) != (
            later.calibration.unit,
            later.calibration.gains,
        ):
            return None  # another digitizer: amplitudes before and after midnight cannot be compared
        return end

    def _detect(self, day: dt.date) -> DetectedDay:
        record = self._reader.read(day)
        began = time.perf_counter()
        components, remarks = _without_sparse(record.components, record.own)
        used = DayRecord(components, record.sampling_rate, record.origin_ns, record.own, record.remarks)
        calibration = self._calibration(day, components)
        detection = detect(components, record.own, self._rule, gains=calibration.gains)
        self.seconds += time.perf_counter() - began
        return DetectedDay(used, detection, calibration, (*record.remarks, *remarks, *calibration.remarks))


def _without_sparse(components: Mapping[str, Grid], own: slice) -> tuple[dict[str, Grid], list[str]]:
    """Leave out components that were recorded for much less of the day than the best: they would void the rest."""
    held = {
        name: int(np.diff(np.clip(grid.runs, own.start, own.stop), axis=1).sum())
        for name, grid in components.items()
    }
    most = max(held.values(), default=0)
    kept = {name: grid for name, grid in components.items() if held[name] >= SPARSE * most}
    return kept, [
        f"{name} left out: recorded {held[name] / most:.0%} as long as the best component"
        for name in components
        if name not in kept
    ]
