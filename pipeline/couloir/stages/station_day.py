"""Detect one station-day: the task that Dask distributes. Bad data ends in an outcome, never in an error."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.archive.fetch import Fetcher
from couloir.archive.inventory import ORIENTATIONS, DayFiles
from couloir.archive.record import DayReader
from couloir.archive.response import Calibration, Sensitivity, calibrate
from couloir.config import ArchiveConfig, DetectConfig
from couloir.errors import UnreachableError, UnreadableError
from couloir.identifiers import DAY_NS, StationDay, day_start_ns
from couloir.kernels.spectrogram import COMPONENTS
from couloir.stages.midnight import DetectedDay, DetectedDays
from couloir.stages.settings import detection_rule
from couloir.stages.windows import cut_windows
from couloir.storage import Patience, open_place
from couloir.store.events import Event
from couloir.store.outcomes import Outcome, Status

REACH_DAYS = 2
"""Days on each side that a task may read: a neighbour whose trigger touches midnight, and that one's neighbour."""
_SETTLING_S = 10.0
"""The filter's impulse response has died away after this, s."""


@dataclass(frozen=True)
class DayTask:
    """Hold all that the detection of one station-day needs; small, and the same wherever it runs.

    Attributes
    ----------
    files : mapping of date to DayFiles
        What exists of the sensor, up to `REACH_DAYS` away.
    chosen : frozenset of date
        Which of these days, next to this one, are worked on too.
    """

    station_day: StationDay
    files: Mapping[dt.date, DayFiles]
    chosen: frozenset[dt.date]
    archive: ArchiveConfig
    detect: DetectConfig
    sensitivities: tuple[Sensitivity, ...] | None = None

    @property
    def bytes_ahead(self) -> int:
        """Bytes that `fetch` will hold at most."""
        return self._reader(None).ahead_bytes(self.station_day.day)

    def fetch(self) -> DayReader | Exception:
        """Fetch what reading the day needs; give what reads it, or what went wrong, for the outcome to tell."""
        try:
            patience = Patience.of(self.archive.patience_s)
            file_system, _ = open_place(self.archive.url, self.archive.storage_options, patience=patience)
            reader = self._reader(file_system, patience)
            reader.fetch_ahead(self.station_day.day)
        except Exception as error:  # one day must never end a run of years
            return error
        return reader

    def _reader(self, file_system: Any, patience: Patience | None = None) -> DayReader:
        settings = self.detect
        fetcher = Fetcher(file_system, patience=patience or Patience())
        context_s = settings.window_s + settings.merge_s + _SETTLING_S
        return DayReader(fetcher, self.files, settings.sampling_rate, context_s)

    def calibration(self, day: dt.date, components: Iterable[str]) -> Calibration:
        """Give the gains of a day's components, as they are at noon."""
        channels = {ORIENTATIONS[item.channel.component]: item.channel for item in self.files[day].objects}
        noon = day_start_ns(day) + DAY_NS // 2
        return calibrate(self.sensitivities, {name: channels[name] for name in components}, noon)


@dataclass(frozen=True)
class DayResult:
    """Hold a station-day's outcome, its events and their windows (events, 3, samples), counts."""

    outcome: Outcome
    events: tuple[Event, ...]
    waveforms: NDArray[np.float32]

    def __sizeof__(self) -> int:
        """Tell Dask, which plans a worker's memory by it, how much this holds."""
        return object.__sizeof__(self) + self.waveforms.nbytes

    @classmethod
    def nothing(cls, outcome: Outcome, detect: DetectConfig) -> "DayResult":
        """Make the result of a day without events."""
        return cls(outcome, (), np.empty((0, len(COMPONENTS), detect.window_samples), np.float32))


def detect_station_day(task: DayTask, fetched: DayReader | Exception) -> DayResult:
    """Read a station-day, find its triggers and cut their windows.

    Parameters
    ----------
    task : DayTask
    fetched : DayReader or Exception
        From `DayTask.fetch`.

    Returns
    -------
    DayResult
        Always: what goes wrong is told by the outcome's status and reason.
    """
    try:
        if isinstance(fetched, Exception):
            raise fetched
        return _detect(task, fetched)
    except UnreadableError as error:
        outcome = Outcome(task.station_day, "unreadable", str(error))
    except UnreachableError as error:
        outcome = Outcome(task.station_day, "failed", str(error))
    except Exception as error:  # one day must never end a run of years
        outcome = Outcome(task.station_day, "failed", f"{type(error).__name__}: {error}")
    return DayResult.nothing(outcome, task.detect)


def _detect(task: DayTask, reader: DayReader) -> DayResult:
    settings, fetcher = task.detect, reader.fetcher
    days = DetectedDays(
        reader,
        detection_rule(settings),
        gives_events=lambda day, found: day in task.chosen and _judge(found, settings)[0] == "ok",
        calibration=task.calibration,
    )

    day = days.day(task.station_day.day)
    status, reason = _judge(day, settings)
    windows = cut_windows(days, task.station_day.day, settings) if status == "ok" else None
    noise = next((envelope.noise for envelope in day.detection.envelopes if envelope.noise), None)
    outcome = Outcome(
        task.station_day,
        status,
        reason,
        events=len(windows.events) if windows else 0,
        dropped=windows.dropped if windows else 0,
        components="".join(name for name in COMPONENTS if name in day.record.components),
        valid_s=day.detection.valid / settings.sampling_rate,
        median=noise.median if noise else None,
        mad=noise.mad if noise else None,
        read_bytes=fetcher.bytes_read,
        seconds={**fetcher.seconds, "detect": days.seconds},
        remarks=(*day.remarks, *(windows.remarks if windows else ())),
    )
    if windows is None:
        return DayResult.nothing(outcome, settings)
    return DayResult(outcome, windows.events, windows.waveforms)


def _judge(day: DetectedDay, settings: DetectConfig) -> tuple[Status, str]:
    valid_s = day.detection.valid / settings.sampling_rate
    if not day.record.components:
        return "empty", "; ".join(day.remarks)
    if settings.envelope == "vertical" and "Z" not in day.record.components:
        return "empty", "detect.envelope is vertical, and there is no usable vertical component"
    if valid_s < settings.min_valid_s:
        return "too_gappy", f"{valid_s:.0f} s valid, detect.min_valid_s is {settings.min_valid_s:g}"
    if day.detection.flat:
        return "flat", "the envelope's MAD is 0: a dead, clipped or constant channel"
    return "ok", ""
