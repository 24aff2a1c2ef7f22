"""Make spectrograms of known classes, and of the noise between events, from a synthetic archive."""

import datetime as dt
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import fsspec
import numpy as np
from numpy.typing import NDArray

from couloir.archive.fetch import Fetcher
from couloir.archive.record import DayReader
from couloir.catalog.truth import Interval, read_truth
from couloir.compute import open_pool
from couloir.config import RunConfig
from couloir.identifiers import NS_PER_S
from couloir.runfile import build
from couloir.stages.background import make_background
from couloir.stages.detect import detect
from couloir.stages.midnight import DetectedDays
from couloir.stages.plan import Plan, plan
from couloir.stages.run import open_archive
from couloir.stages.settings import Picturing, detection_rule
from couloir.stages.train import BACKGROUND
from couloir.store.location import Location
from couloir.synth import SynthSpec, write_archive

FIRST = dt.date(2024, 3, 4)
GUARD_S = 5.0
"""A window of noise keeps this far from everything known, s."""


@dataclass(frozen=True)
class Pictures:
    """Hold spectrograms, (N, F, T, 3) float16, the class of each ("" where none is known), and onsets, ns."""

    spectrograms: NDArray[np.float16]
    labels: NDArray[np.str_]
    onsets: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Pictures":
        return Pictures(self.spectrograms[chosen], self.labels[chosen], self.onsets[chosen])

    def __len__(self) -> int:
        return len(self.labels)


def synthesise(
    spec: SynthSpec,
    *,
    background: int,
    seed: int = 0,
    sections: dict[str, dict[str, object]] | None = None,
    trained: Sequence[Callable[[Pictures], NDArray[np.int64]]],
) -> tuple[Pictures, Pictures, list[NDArray[np.float16] | None]]:
    """Detect in a synthetic archive; give its events, noise between them, and noise as each training makes it.

    Parameters
    ----------
    spec
        The archive.
    background
        Windows of noise.
    seed
        Places the windows of noise.
    sections
        Of the run file, beside archive and output.
    trained
        Each chooses events that a model is trained on: the training's noise is made of what precedes these alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        truth = read_truth(Location(write_archive(f"{folder}/archive", spec)))
        period = {"start": spec.start, "end": spec.start + dt.timedelta(days=spec.days)}
        config = build(
            {
                "archive": {"url": f"{folder}/archive", **period},
                "output": {"url": f"{folder}/output"},
                "compute": {"kind": "threads", "workers": 1},
                **(sections or {}),
            }
        )
        events = events_of(config, truth)
        archive = open_archive(config, plan(config))
        made = [make_background(archive, config, count=BACKGROUND, among=choose(events)) for choose in trained]
        return events, noise_of(config, truth, background, seed=seed), made


def events_of(config: RunConfig, truth: Sequence[Interval]) -> Pictures:
    """Detect in an archive, and label each window by the interval that it overlaps most."""
    made = plan(config)
    with open_pool(config.compute) as pool:
        detect(config, made.inventory, pool, progress=lambda _: None)
    archive = open_archive(config, made)
    station = np.array([archive.blocks[number].band.station for number in archive.block_numbers()])
    start, onset, end = (archive.column(name) for name in ("start_time", "onset_time", "end_time"))
    first, last = np.maximum(start, onset), np.minimum(start + _window_ns(config), end)
    labels, longest = np.full(len(archive), "", "<U16"), np.zeros(len(archive))
    for interval in truth:
        overlap = np.minimum(last, interval.end) - np.maximum(first, interval.start) + NS_PER_S
        better = (station == interval.station) & (overlap > longest)
        labels[better], longest[better] = interval.name, overlap[better]
    return Pictures(archive.load(), labels, onset)


def noise_of(config: RunConfig, truth: Sequence[Interval], count: int, *, seed: int) -> Pictures:
    """Cut windows at random times that no known interval and no trigger comes near."""
    made, generator = plan(config), np.random.default_rng(seed)
    days = sorted(made.inventory.chosen)
    windows, starts = [], []
    for number, key in enumerate(days):
        share = count // len(days) + (number < count % len(days))
        detected = _detected(config, made, key)
        record = detected.day(key.day).record
        busy = [(i.start, i.end) for i in truth if i.station == key.band.station]
        busy += [(record.time_ns(t.onset), record.time_ns(t.end)) for t in detected.owned_triggers(key.day)]
        begins, ends = np.array(busy, np.int64).reshape(-1, 2).T
        guard, found, length = round(GUARD_S * NS_PER_S), 0, config.detect.window_samples
        while found < share:
            position = int(generator.integers(record.own.start, record.own.stop - length))
            start = record.time_ns(position)
            if np.any((begins < start + _window_ns(config) + guard) & (ends > start - guard)):
                continue
            window = np.stack([record.components[name].cut(position, length) for name in "ENZ"])
            if np.isnan(window).any():
                continue
            windows.append(window.astype(np.float32))
            starts.append(start)
            found += 1
    pictures = Picturing(config.detect, config.spectrogram)(np.stack(windows))
    return Pictures(pictures, np.full(count, "background", "<U16"), np.array(starts, np.int64))


def _detected(config: RunConfig, made: Plan, key: object) -> DetectedDays:
    around = made.inventory.around(key, reach=2)
    reader = DayReader(Fetcher(fsspec.filesystem("file")), around, config.detect.sampling_rate, 35.0)
    return DetectedDays(reader, detection_rule(config.detect))


def _window_ns(config: RunConfig) -> int:
    return round(config.detect.window_s * NS_PER_S)
