"""Say what the spectrogram archive keeps of an event, and in which units."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from couloir.identifiers import BandId, format_time


@dataclass(frozen=True)
class Event:
    """Hold one window around a transient, without its samples.

    Times are int64 ns since the epoch (UTC). A long trigger gives several windows; they share its onset and end.
    """

    start_time: int
    onset_time: int
    peak_time: int
    end_time: int
    window: int
    peak_amplitude: float
    median: float
    mad: float
    snr: float
    coverage: float


@dataclass(frozen=True)
class ColumnSpec:
    """Hold how a column is stored and described."""

    dtype: str
    units: str
    description: str


TIME_UNITS = "nanoseconds since 1970-01-01"
COLUMNS: dict[str, ColumnSpec] = {
    "start_time": ColumnSpec("int64", TIME_UNITS, "first sample of the window"),
    "onset_time": ColumnSpec("int64", TIME_UNITS, "onset of the trigger"),
    "peak_time": ColumnSpec("int64", TIME_UNITS, "greatest envelope of the trigger in this window"),
    "end_time": ColumnSpec("int64", TIME_UNITS, "end of the trigger"),
    "window": ColumnSpec("int32", "1", "number of the window within its trigger, from 0"),
    "peak_amplitude": ColumnSpec("float32", "count", "greatest envelope of the trigger in this window"),
    "median": ColumnSpec("float32", "count", "median of the station-day's envelope"),
    "mad": ColumnSpec("float32", "count", "median absolute deviation of the station-day's envelope, not scaled"),
    "snr": ColumnSpec("float32", "1", "peak_amplitude / median"),
    "coverage": ColumnSpec("float32", "1", "share of the window's samples that were recorded"),
}
assert tuple(COLUMNS) == tuple(item.name for item in fields(Event))  # noqa: S101 - one list, kept in step


def columns_of(events: Sequence[Event]) -> dict[str, NDArray[np.generic]]:
    """Turn events into one array a column."""
    return {
        name: np.array([getattr(event, name) for event in events], dtype=spec.dtype)
        for name, spec in COLUMNS.items()
    }


def event_id(band: BandId, start_time: int) -> str:
    """Name an event by its sensor and its window's start to the millisecond: the same in every run."""
    compact = format_time(start_time)[:23].replace("-", "").replace(":", "")
    return f"{band}_{compact}"
