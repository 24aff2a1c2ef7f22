"""Place windows along a day's triggers, keep the strongest, and cut them out of the recording."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from couloir.archive.record import DayRecord
from couloir.config import DetectConfig
from couloir.kernels.detection import EnvelopeTrace
from couloir.kernels.noise import NoiseLevel
from couloir.kernels.spectrogram import COMPONENTS
from couloir.kernels.trigger import Trigger, window_starts
from couloir.stages.midnight import DetectedDay, DetectedDays
from couloir.store.events import UNITS, Event

_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Windows:
    """Hold the windows of a station-day.

    Attributes
    ----------
    events : tuple of Event
        In order of time.
    waveforms : ndarray of float32, shape (events, 3, samples)
        Counts; NaN where nothing was recorded.
    dropped : int
        Windows that are not kept: too few samples, or too weak among too many.
    remarks : tuple of str
    """

    events: tuple[Event, ...]
    waveforms: NDArray[np.float32]
    dropped: int
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Placed:
    """Hold a window that is measured and not yet cut, and the day whose grid holds it, from which position on."""

    event: Event
    holder: DetectedDay
    start: int


def cut_windows(days: DetectedDays, day: dt.date, settings: DetectConfig) -> Windows:
    """Cut the windows of the triggers that belong to a day.

    Of more than `settings.max_windows` those of the strongest triggers are kept, of each from its first on.
    """
    placed = list(_place(days, day, settings))
    kept, remarks = placed, tuple[str, ...]()
    if len(placed) > settings.max_windows:
        kept = _strongest(placed, settings.max_windows)
        remarks = (
            f"{len(placed):,} windows, those of the strongest triggers kept (detect.max_windows {len(kept):,})",
        )
    events: list[Event] = []
    waveforms = np.empty((len(kept), len(COMPONENTS), settings.window_samples), np.float32)
    for window in kept:
        coverage = _cut(window.holder.record, window.start, waveforms[len(events)], settings.min_window_coverage)
        if coverage is not None:
            events.append(replace(window.event, coverage=coverage))
    return Windows(tuple(events), waveforms[: len(events)], len(placed) - len(events), remarks)


def _strongest(placed: list[_Placed], most: int) -> list[_Placed]:
    strength: dict[int, float] = {}
    for window in placed:
        onset = window.event.onset_time
        strength[onset] = max(strength.get(onset, 0.0), window.event.snr)
    ranked = sorted(placed, key=lambda w: (-strength[w.event.onset_time], w.event.start_time))
    return sorted(ranked[:most], key=lambda w: w.event.start_time)


def _place(days: DetectedDays, day: dt.date, settings: DetectConfig) -> Iterator[_Placed]:
    here = days.day(day)
    grid_end = len(next(iter(here.record.components.values())).samples)
    before = round(settings.before_onset_s * settings.sampling_rate)
    length = settings.window_samples
    for trigger in days.owned_triggers(day):
        loudest = here.detection.loudest(trigger.onset, trigger.end)
        for number, start in enumerate(window_starts(trigger, before=before, length=length)):
            holder, shift = here, 0
            if start + length > grid_end and (following := days.neighbour(day + _ONE_DAY)):
                holder, shift = following, days.samples_a_day
            span = max(trigger.onset, start) - shift, min(trigger.end, start + length) - shift
            peak = holder.detection.like(loudest[0]).peak(*span)
            timed_peak = holder.record.time_ns(peak[0]), peak[1]
            event = _describe(
                here, trigger, loudest, timed_peak, start_time=here.record.time_ns(start), window=number
            )
            yield _Placed(event, holder, start - shift)


def _describe(
    day: DetectedDay,
    trigger: Trigger,
    loudest: tuple[EnvelopeTrace, NoiseLevel],
    peak: tuple[int, float],
    *,
    start_time: int,
    window: int,
) -> Event:
    """Describe one window of a trigger, its peak (ns, amplitude) against the noise of the day it belongs to."""
    envelope, noise = loudest
    peak_time, amplitude = peak
    return Event(
        start_time=start_time,
        onset_time=day.record.time_ns(trigger.onset),
        peak_time=peak_time,
        end_time=day.record.time_ns(trigger.end),
        window=window,
        peak_amplitude=amplitude,
        median=noise.median,
        mad=noise.mad,
        snr=amplitude / noise.median if noise.median > 0 else float("inf"),
        coverage=0.0,  # known when the window is cut
        band_low=envelope.band[0],
        band_high=envelope.band[1],
        unit=UNITS.index(day.calibration.unit),
    )


def _cut(record: DayRecord, start: int, out: NDArray[np.float32], least: float) -> float | None:
    """Cut a window of all components and give its coverage; one with too few samples counts as not recorded."""
    out[...] = np.nan
    coverages = []
    for row, name in enumerate(COMPONENTS):
        if name not in record.components:
            continue
        cut = record.components[name].cut(start, out.shape[1])
        coverage = float(np.mean(~np.isnan(cut)))
        if coverage >= least:
            out[row] = cut
            coverages.append(coverage)
    return float(np.mean(coverages)) if coverages else None
