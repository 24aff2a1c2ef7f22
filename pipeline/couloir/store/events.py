"""Say what the spectrogram archive keeps of an event, and in which units."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

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
    band_low: float
    band_high: float
    unit: int


@dataclass(frozen=True)
class ColumnSpec:
    """Hold how a column is stored and described."""

    dtype: str
    units: str
    description: str


TIME_UNITS = "nanoseconds since 1970-01-01"
UNITS = ("count", "m/s", "m/s**2", "m")
"""What an amplitude can be; `unit` holds the position in this list."""
AMPLITUDE = "as the variable unit says"
COLUMNS: dict[str, ColumnSpec] = {
    "start_time": ColumnSpec("int64", TIME_UNITS, "first sample of the window"),
    "onset_time": ColumnSpec("int64", TIME_UNITS, "onset of the trigger"),
    "peak_time": ColumnSpec("int64", TIME_UNITS, "greatest envelope of the trigger in this window"),
    "end_time": ColumnSpec("int64", TIME_UNITS, "end of the trigger"),
    "window": ColumnSpec("int32", "1", "number of the window within its trigger, from 0"),
    "peak_amplitude": ColumnSpec("float32", AMPLITUDE, "greatest envelope of the trigger in this window"),
    "median": ColumnSpec("float32", AMPLITUDE, "noise at the onset: median of the envelope"),
    "mad": ColumnSpec("float32", AMPLITUDE, "noise at the onset: median absolute deviation, not scaled"),
    "snr": ColumnSpec("float32", "1", "peak_amplitude / median"),
    "coverage": ColumnSpec("float32", "1", "share of the window's samples that were recorded"),
    "band_low": ColumnSpec("float32", "Hz", "lower corner of the envelope that stood furthest above its noise"),
    "band_high": ColumnSpec("float32", "Hz", "upper corner of that envelope"),
    "unit": ColumnSpec("int8", "1", "unit of peak_amplitude, median and mad"),
}
assert tuple(COLUMNS) == tuple(item.name for item in fields(Event))  # noqa: S101 - one list, kept in step


def columns_of(events: Sequence[Event]) -> dict[str, NDArray[np.generic]]:
    """Turn events into one array a column."""
    return {
        name: np.array([getattr(event, name) for event in events], dtype=spec.dtype)
        for name, spec in COLUMNS.items()
    }


def attributes_of(name: str, events: Sequence[Event]) -> dict[str, Any]:
    """Describe a column as CF conventions do: its units, or what its numbers stand for."""
    spec = COLUMNS[name]
    units = spec.units
    if units == AMPLITUDE:
        there = {event.unit for event in events}
        units = UNITS[there.pop()] if len(there) == 1 else AMPLITUDE
    attributes: dict[str, Any] = {"units": units, "long_name": spec.description}
    if units == TIME_UNITS:
        attributes["calendar"] = "proleptic_gregorian"
    if name == "unit":
        attributes |= {"flag_values": list(range(len(UNITS))), "flag_meanings": " ".join(UNITS)}
    return attributes


def event_id(band: BandId, start_time: int) -> str:
    """Name an event by its sensor and its window's start to the millisecond: the same in every run."""
    return f"{band}_{_compact(start_time)}"


def network_event_id(first_onset: int) -> str:
    """Name an event of several stations by its first onset to the millisecond."""
    return f"NE_{_compact(first_onset)}"


def _compact(time_ns: int) -> str:
    return format_time(time_ns)[:23].replace("-", "").replace(":", "")
