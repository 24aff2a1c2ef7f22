"""Decide where a station-day has gaps and overlaps, and which stretches are then written."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from couloir.synth.geometry import Station
from couloir.synth.spec import SynthSpec
from couloir.synth.streams import stream

DEAD_CHANCE = 0.04
"""Chance that a day of a station which has gaps at all has one of hours."""
ONE_SAMPLE_SHARE = 0.4

Stretch = tuple[int, int]


@dataclass(frozen=True)
class Faults:
    """Hold a station-day's gaps and overlaps as stretches of samples, ends exclusive.

    Parameters
    ----------
    gaps
        Missing stretches, apart from each other and in order.
    repeats
        Stretches that are written a second time, as whole records would be.
    seams
        Samples that end one stretch and begin the next: one-sample overlaps.
    """

    gaps: tuple[Stretch, ...] = ()
    repeats: tuple[Stretch, ...] = ()
    seams: tuple[int, ...] = ()

    def recorded(self, total: int) -> NDArray[np.bool_]:
        """Say of each sample of the day whether it is written."""
        mask = np.ones(total, dtype=bool)
        for low, high in self.gaps:
            mask[low:high] = False
        return mask

    def stretches(self, total: int) -> list[Stretch]:
        """Give the stretches in the order in which they are written; repeats come last, as if re-sent."""
        edges = [0, *(edge for gap in self.gaps for edge in gap), total]
        pieces: list[Stretch] = []
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            begin = low
            for seam in self.seams:
                if low < seam < high:
                    pieces.append((begin, seam + 1))
                    begin = seam
            if begin < high:
                pieces.append((begin, high))
        return [*pieces, *self.repeats]


def draw_faults(spec: SynthSpec, station: Station, day: dt.date) -> Faults:
    """Draw the gaps and overlaps of a station-day; overlaps that would meet a gap are left out."""
    gaps = _draw_gaps(spec, station, day)
    rng = stream(spec.seed, "overlap", day.toordinal(), station.index)
    repeats: list[Stretch] = []
    seams: list[int] = []
    for _ in range(rng.poisson(spec.rate("overlap") * station.fault_factor)):
        low = int(rng.integers(1, spec.samples_per_day - 1))
        single = rng.uniform() < ONE_SAMPLE_SHARE
        high = low + 1 if single else low + round(rng.uniform(5, 60) * spec.sampling_rate)
        taken = [*gaps, *repeats, *((seam, seam + 1) for seam in seams)]
        if high >= spec.samples_per_day or any(low <= end and start <= high for start, end in taken):
            continue
        if single:
            seams.append(low)
        else:
            repeats.append((low, high))
    return Faults(gaps=gaps, repeats=tuple(repeats), seams=tuple(sorted(seams)))


def _draw_gaps(spec: SynthSpec, station: Station, day: dt.date) -> tuple[Stretch, ...]:
    rng = stream(spec.seed, "gap", day.toordinal(), station.index)
    rate = spec.rate("gap") * station.fault_factor
    lengths_s = list(np.exp(rng.uniform(np.log(1), np.log(300), rng.poisson(rate))))
    if rate and rng.uniform() < DEAD_CHANCE:
        lengths_s.append(3600 * rng.uniform(1, 8))
    drawn = []
    for length_s in lengths_s:
        length = round(length_s * spec.sampling_rate)
        low = int(rng.integers(0, spec.samples_per_day - length))
        drawn.append((low, low + length))
    return _union(sorted(drawn))


def _union(stretches: list[Stretch]) -> tuple[Stretch, ...]:
    """Join stretches that meet, so that those left are apart."""
    joined: list[Stretch] = []
    for low, high in stretches:
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)
