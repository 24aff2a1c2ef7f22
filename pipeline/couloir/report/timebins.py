"""Count events by hour of day and along the run's period, in bins that suit its length."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.identifiers import DAY_NS, HOUR_NS, NS_PER_S
from couloir.kernels.hours import hour_counts

MOST_BINS = 100
SPREAD_HOURS = 10
"""A span of hours this long, or longer, is no preference: half of evenly spread events fill 12 hours."""

_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday, the fourth day of an ISO week
_FIXED = (
    ("5 minutes", 300 * NS_PER_S, 0),
    ("hour", HOUR_NS, 0),
    ("day", DAY_NS, 0),
    ("week", 7 * DAY_NS, 4 * DAY_NS),
)


@dataclass(frozen=True, eq=False)
class TimeBins:
    """Name the bins of a date histogram.

    Parameters
    ----------
    unit
        ``5 minutes``, ``hour``, ``day``, ``week`` (from Monday) or ``month`` (of the calendar).
    edges_ns
        (bins + 1,) int64, ns since the epoch (UTC).
    """

    unit: str
    edges_ns: NDArray[np.int64]

    def count(self, onset_ns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count the onsets (ns) in each bin; a bin holds its first instant, not its last."""
        bins = len(self.edges_ns) - 1
        place = np.searchsorted(self.edges_ns, onset_ns, side="right") - 1
        return np.bincount(place[(place >= 0) & (place < bins)], minlength=bins)


def time_bins(first_ns: int, last_ns: int) -> TimeBins:
    """Choose the finest bins that cover a period with at most :data:`MOST_BINS` of them.

    Parameters
    ----------
    first_ns, last_ns
        The first and last instant to cover, ns since the epoch (UTC).

    Returns
    -------
    TimeBins
        Of 5 minutes, hours, days, weeks or, for anything longer, months.
    """
    for unit, width, offset in _FIXED:
        start = (first_ns - offset) // width
        bins = (last_ns - offset) // width - start + 1
        if bins <= MOST_BINS:
            edges = (start + np.arange(bins + 1, dtype=np.int64)) * width + offset
            return TimeBins(unit, edges)
    months = np.array([first_ns, last_ns], dtype="datetime64[ns]").astype("datetime64[M]")
    edges = np.arange(months[0], months[1] + 2)
    return TimeBins("month", edges.astype("datetime64[ns]").astype(np.int64))


def typical_hours(onset_ns: NDArray[np.integer[Any]]) -> tuple[int, int] | None:
    """Find the shortest span of whole UTC hours that holds at least half of the events.

    Parameters
    ----------
    onset_ns
        (N,) onsets, ns since the epoch (UTC).

    Returns
    -------
    tuple of int, or None
        First hour and the hour at which the span ends (exclusive, 0..23; it may lie on the next day). Among
        spans of equal length the fullest. None without events and where the span reaches
        :data:`SPREAD_HOURS`: then no hour is typical.
    """
    hours = hour_counts(onset_ns)
    total = int(hours.sum())
    if total == 0:
        return None
    running = np.concatenate([[0], np.cumsum(np.tile(hours, 2))])
    for length in range(1, SPREAD_HOURS):
        held = running[length : length + 24] - running[:24]
        start = int(np.argmax(held))
        if 2 * held[start] >= total:
            return start, (start + length) % 24
    return None
