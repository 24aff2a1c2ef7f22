"""Read one station-day with a little of its neighbour days, on one grid of samples."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from couloir.archive.decode import Decoded
from couloir.archive.fetch import Fetcher, Request
from couloir.archive.inventory import DayFiles
from couloir.archive.listing import ArchiveObject
from couloir.archive.orientation import ORIENTATIONS
from couloir.archive.remarks import at_most
from couloir.archive.sanity import assemble_apart, outside_day, settle_rates
from couloir.archive.trace import Trace
from couloir.errors import UnreadableError
from couloir.identifiers import DAY_NS, NS_PER_S, day_start_ns
from couloir.kernels.grid import Grid, GridCounts, Piece, assemble
from couloir.kernels.rate import resample

_ONE_DAY = dt.timedelta(days=1)
_MOST_REMARKS = 40
"""Remarks on a day's three files and what is beside them."""


@dataclass(frozen=True)
class DayRecord:
    """Hold a station-day's components on one grid.

    Attributes
    ----------
    components : mapping of str to Grid
        By component, out of E, N, Z; one that does not exist or does not decode is not there.
    sampling_rate : float
        Of the grid, Hz.
    origin_ns : int
        Time of the grid's first position, ns since the epoch: the day's start less the context.
    own : slice
        The grid positions of the day itself, midnight to midnight.
    remarks : tuple of str
        What was odd, refused or repaired on the way.
    """

    components: Mapping[str, Grid]
    sampling_rate: float
    origin_ns: int
    own: slice
    remarks: tuple[str, ...]

    def time_ns(self, position: int) -> int:
        """Give the time of a grid position, ns since the epoch."""
        return self.origin_ns + round(position * NS_PER_S / self.sampling_rate)


@dataclass(frozen=True)
class DayReader:
    """Read station-days of one sensor.

    Parameters
    ----------
    fetcher : Fetcher
    files : mapping of date to DayFiles
        The sensor's days around the one that will be read.
    sampling_rate : float
        Of the grid, Hz; other recordings are resampled.
    context_s : float
        How far the grid reaches into both neighbour days, s.
    """

    fetcher: Fetcher
    files: Mapping[dt.date, DayFiles]
    sampling_rate: float
    context_s: float

    def fetch_ahead(self, day: dt.date) -> None:
        """Fetch at once all that reading a day will ask for first, and decode nothing.

        What cannot be fetched is told by `read`.
        """
        self.fetcher.fetch_ahead(self._requests(day))

    def ahead_bytes(self, day: dt.date) -> int:
        """Give how many bytes `fetch_ahead` will hold at most, by the listing."""
        return sum(request.size for request in self._requests(day))

    def read(self, day: dt.date) -> DayRecord:
        """Read one day and the ends of its neighbours.

        Raises
        ------
        UnreadableError
            When none of the day's own objects can be decoded.
        UnreachableError
            When one of them, or the end of a neighbour day, cannot be fetched.
        """
        self.fetch_ahead(day)
        try:
            return self._read(day)
        finally:
            self.fetcher.release(self._requests(day))

    def _requests(self, day: dt.date) -> list[Request]:
        """List what is asked for first, each once: the day's objects, and the near ends of those beside it."""
        objects = self.files[day].objects if day in self.files else ()
        requests = [Request.whole(item) for item in objects]
        for side in (-1, 1):
            beside = (self._neighbour(item, day + side * _ONE_DAY) for item in objects)
            requests += [Request.near_end(item, tail=side < 0) for item in beside if item is not None]
        return list(dict.fromkeys(requests))

    def _read(self, day: dt.date) -> DayRecord:
        origin_ns = day_start_ns(day) - round(self.context_s * NS_PER_S)
        margin = round(self.context_s * self.sampling_rate)
        n = round(DAY_NS / NS_PER_S * self.sampling_rate) + 2 * margin
        remarks: list[str] = []
        tried = {item.channel.component: self._traces(item, day, remarks) for item in self.files[day].objects}
        if all(found is None for found in tried.values()):
            raise UnreadableError("; ".join(at_most(dict.fromkeys(remarks))))
        grids: dict[str, Grid] = {}
        for component, found in tried.items():
            if found:
                grids[ORIENTATIONS[component]] = _lay(component, found, origin_ns, n, self.sampling_rate, remarks)
        own = slice(margin, n - margin)
        return DayRecord(grids, self.sampling_rate, origin_ns, own, at_most(remarks, _MOST_REMARKS))

    def _traces(self, item: ArchiveObject, day: dt.date, remarks: list[str]) -> list[Trace] | None:
        """Fetch one channel: its day whole, and the near ends of the days beside it.

        Gives None when its own object cannot be read, and nothing when that holds no samples of the day.
        """
        try:
            own = self.fetcher.whole(item)
        except UnreadableError as error:
            remarks.append(str(error))
            return None
        start, margin = day_start_ns(day), round(self.context_s * NS_PER_S)
        parts: list[Decoded] = []
        for side in (-1, 1):
            neighbour = self._neighbour(item, day + side * _ONE_DAY)
            if neighbour is None:
                continue
            try:
                if side < 0:
                    parts.append(self.fetcher.tail(neighbour, start - margin))
                else:
                    parts.append(self.fetcher.head(neighbour, start + DAY_NS + margin))
            except UnreadableError as error:
                remarks.append(f"neighbour day: {error}")
        remarks.extend(own.remarks)
        if outside := outside_day(own.traces, start):
            remarks.append(f"{item.path}: {outside}")
        if not any(_overlaps(trace, start, start + DAY_NS) for trace in own.traces):
            remarks.append(f"{item.path} holds no samples of {day}")
            return []
        traces = [trace for part in (own, *parts) for trace in part.traces]
        return [trace for trace in traces if _overlaps(trace, start - margin, start + DAY_NS + margin)]

    def _neighbour(self, item: ArchiveObject, day: dt.date) -> ArchiveObject | None:
        files = self.files.get(day)
        same = (other for other in files.objects if other.channel == item.channel) if files else iter(())
        return next(same, None)


def _overlaps(trace: Trace, start_ns: int, end_ns: int) -> bool:
    """Say whether a trace has samples in a period, whichever day's object holds it: files run over midnight."""
    return trace.end_ns > start_ns and trace.start_ns < end_ns


def _lay(component: str, traces: list[Trace], origin_ns: int, n: int, target: float, remarks: list[str]) -> Grid:
    """Put traces on the grid; those of another rate are put together at their own rate and then resampled."""
    by_rate, told = settle_rates(traces)
    remarks.extend(f"{component}: {remark}" for remark in told)
    pieces: list[Piece] = []
    for rate, group in by_rate.items():
        placed = [Piece(_position(t.start_ns, origin_ns, rate), t.samples, t.buffer) for t in group]
        if rate == target:
            pieces += placed
            continue
        runs, counts = assemble_apart(placed, round(n * rate / target))
        remarks.append(f"{component}: resampled from {rate:g} Hz")
        remarks.extend(_describe(component, counts))
        for run in runs:
            pieces.append(Piece(round(run.start * target / rate), resample(run.samples, rate, target)))
    grid = assemble(pieces, n)
    remarks.extend(_describe(component, grid.counts))
    return grid


def _position(time_ns: int, origin_ns: int, rate: float) -> int:
    return round((time_ns - origin_ns) * rate / NS_PER_S)


def _describe(component: str, counts: GridCounts) -> list[str]:
    told = {
        "duplicated": counts.duplicated,
        "in disagreement": counts.conflicting,
        "bridged": counts.bridged,
        "not finite": counts.not_finite,
    }
    return [f"{component}: {number} samples {what}" for what, number in told.items() if number]
