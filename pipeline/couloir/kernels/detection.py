"""Detect transients in a station-day: envelopes, noise, triggers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from couloir.kernels.bandpass import AnalyticBandpass
from couloir.kernels.grid import Grid
from couloir.kernels.noise import NoiseCurve, NoiseLevel, measure_noise, measure_running_noise
from couloir.kernels.trigger import Trigger, TriggerRule, find_triggers, intersect_runs, true_runs

EnvelopeKind = Literal["vector", "vertical", "any"]


@dataclass(frozen=True)
class DetectionRule:
    """Hold how triggers are found.

    Parameters
    ----------
    bandpasses : tuple of AnalyticBandpass
        One or several; a trigger is on where the envelope of any of them is over its own threshold.
    envelope : {"vector", "vertical", "any"}
        ``vector``: root sum of squares of the components; ``vertical``: Z; ``any``: each component by itself.
    on_factor, off_factor : float
        Thresholds in MADs above the median; the off factor is not the greater one.
    edge : int
        Samples at each end of a contiguous stretch that neither count nor trigger.
    trigger : TriggerRule
    noise_window : int, optional
        Samples of the window in which the noise is measured; the whole day when not given.
    """

    bandpasses: tuple[AnalyticBandpass, ...]
    envelope: EnvelopeKind
    on_factor: float
    off_factor: float
    edge: int
    trigger: TriggerRule
    noise_window: int | None = None


@dataclass(frozen=True)
class EnvelopeTrace:
    """Hold an envelope on the grid, where it counts, and its noise.

    Attributes
    ----------
    components : str
        Those it is made of.
    band : tuple of float
        Corners of its band-pass, Hz.
    squared : ndarray of float32, shape (n,)
        Squared envelope, counts squared (or what the gains make of them); 0 outside `runs`.
    runs : ndarray of int64, shape (runs, 2)
        Valid stretches.
    valid : int
        Valid samples of the day itself.
    noise : NoiseLevel or None
        Of the whole day; None when it has no valid sample.
    curve : NoiseCurve or None
        What the thresholds are taken from: the same noise all day, or that of a running window.
    """

    components: str
    band: tuple[float, float]
    squared: NDArray[np.float32]
    runs: NDArray[np.int64]
    valid: int
    noise: NoiseLevel | None
    curve: NoiseCurve | None

    def above(self, factor: float, own: slice) -> NDArray[np.int64]:
        """List the day's valid positions over median + factor x MAD."""
        if self.curve is None:
            return np.empty(0, np.int64)
        over = []
        for first, last in _clip_runs(self.runs, own):
            for stretch in self.curve.pieces(int(first), int(last)):
                limit = np.float32(self.curve.threshold(factor, stretch) ** 2)
                over.append(np.flatnonzero(self.squared[stretch] > limit) + stretch.start)
        return np.concatenate(over) if over else np.empty(0, np.int64)

    def keep_above(self, factor: float, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keep those of some valid positions that are over median + factor x MAD."""
        if self.curve is None:
            return positions[:0]
        limit = np.float32(self.curve.threshold(factor, positions) ** 2)
        return positions[self.squared[positions] > limit]

    def peak(self, first: int, last: int) -> tuple[int, float]:
        """Give position and value of the envelope's greatest sample in a stretch of the grid."""
        first, last = max(first, 0), min(last, len(self.squared))
        position = first + int(np.argmax(self.squared[first:last]))
        return position, float(np.sqrt(self.squared[position]))


@dataclass(frozen=True)
class Detection:
    """Hold a day's envelopes (one for each band, or for each band and component) and its triggers in order."""

    envelopes: tuple[EnvelopeTrace, ...]
    triggers: tuple[Trigger, ...]

    @property
    def valid(self) -> int:
        """Valid samples of the day itself, of the envelope that has most."""
        return max((envelope.valid for envelope in self.envelopes), default=0)

    @property
    def flat(self) -> bool:
        """Whether no envelope varies: MAD = 0, so that every sample would be a detection."""
        return not any(envelope.noise and envelope.noise.varies for envelope in self.envelopes)

    def loudest(self, first: int, last: int) -> tuple[EnvelopeTrace, NoiseLevel]:
        """Give the envelope that stands furthest above its noise in a stretch, and the noise at its beginning.

        Raises
        ------
        ValueError
            When every envelope is flat.
        """
        best: tuple[float, EnvelopeTrace, NoiseLevel] | None = None
        for envelope in self.envelopes:
            if envelope.noise is None or envelope.curve is None or not envelope.noise.varies:
                continue
            noise = envelope.curve.at(first)
            score = (envelope.peak(first, last)[1] - noise.median) / noise.mad
            if best is None or score > best[0]:
                best = (score, envelope, noise)
        if best is None:
            raise ValueError("every envelope of the day is flat")
        return best[1], best[2]

    def like(self, other: EnvelopeTrace) -> EnvelopeTrace:
        """Give the envelope of the same band as another day's, and of the same components if there is one."""
        return max(self.envelopes, key=lambda e: (e.band == other.band, e.components == other.components))


def detect(
    components: Mapping[str, Grid], own: slice, rule: DetectionRule, *, gains: Mapping[str, float] | None = None
) -> Detection:
    """Find the triggers whose samples lie in the day itself.

    With ``vector``, a sample is valid where every component is; the noise is measured over the day's valid
    samples. With ``any``, or several bands, a trigger is on where any envelope is over its own threshold.

    Parameters
    ----------
    components : mapping of str to Grid
        By component, on one grid. ``vertical`` takes Z.
    own : slice
        The day's positions in the grid; what lies outside is context for the filter.
    rule : DetectionRule
    gains : mapping of str to float, optional
        What each component's samples are multiplied by before anything else; 1 when not given.

    Returns
    -------
    Detection
    """
    if rule.envelope == "vertical":
        groups = ["Z"] if "Z" in components else []
    elif rule.envelope == "any":
        groups = list(components)
    else:
        groups = ["".join(components)] if components else []
    envelopes = tuple(
        _trace({name: components[name] for name in group}, own, rule, bandpass, gains or {})
        for bandpass in rule.bandpasses
        for group in groups
    )
    lively = [envelope for envelope in envelopes if envelope.noise and envelope.noise.varies]
    if not lively:
        return Detection(envelopes, ())
    off = [envelope.above(rule.off_factor, own) for envelope in lively]
    on = [envelope.keep_above(rule.on_factor, over) for envelope, over in zip(lively, off, strict=True)]
    runs = _clip_runs(_union_runs(lively), own)
    return Detection(envelopes, tuple(find_triggers(_union(on), _union(off), runs, rule.trigger)))


def _trace(
    grids: Mapping[str, Grid],
    own: slice,
    rule: DetectionRule,
    bandpass: AnalyticBandpass,
    gains: Mapping[str, float],
) -> EnvelopeTrace:
    squared = np.zeros(len(next(iter(grids.values())).samples), np.float32)
    valid: NDArray[np.int64] | None = None
    alike: dict[bytes, list[str]] = {}  # components recorded in the same stretches are filtered together
    for name, grid in grids.items():
        alike.setdefault(grid.runs.tobytes(), []).append(name)
    for names in alike.values():
        runs = grids[names[0]].runs
        long_enough = runs[runs[:, 1] - runs[:, 0] > 2 * rule.edge]
        for first, last in long_enough:
            segment = [grids[name].samples[first:last] for name in names]
            bandpass.add_squared_envelopes(
                segment, squared[first:last], gains=[gains.get(name, 1.0) for name in names]
            )
        settled = long_enough + np.array([rule.edge, -rule.edge])
        valid = settled if valid is None else intersect_runs(valid, settled)
    assert valid is not None  # noqa: S101 - there is at least one component
    _clear_outside(squared, valid)
    counted = _clip_runs(valid, own)
    noise, curve = _measure(squared, counted, rule.noise_window)
    number = int(np.diff(counted, axis=1).sum())
    return EnvelopeTrace("".join(grids), bandpass.band, squared, valid, number, noise, curve)


def _measure(
    squared: NDArray[np.float32], runs: NDArray[np.int64], window: int | None
) -> tuple[NoiseLevel | None, NoiseCurve | None]:
    if not len(runs):
        return None, None
    lengths = np.diff(runs, axis=1)[:, 0]
    envelope = np.empty(int(lengths.sum()), np.float32)
    for (first, last), part in zip(runs, np.split(envelope, np.cumsum(lengths)[:-1]), strict=True):
        np.sqrt(squared[first:last], out=part)
    noise = measure_noise(envelope, overwrite=True)
    if window is None or not noise.varies:
        return noise, NoiseCurve.level(noise)
    return noise, measure_running_noise(squared, runs, window, day=noise)


def _clear_outside(values: NDArray[np.float32], runs: NDArray[np.int64]) -> None:
    bounds = np.concatenate(([0], runs.ravel(), [len(values)]))
    for first, last in bounds.reshape(-1, 2):
        values[first:last] = 0


def _clip_runs(runs: NDArray[np.int64], own: slice) -> NDArray[np.int64]:
    clipped = np.clip(runs, own.start, own.stop)
    return clipped[clipped[:, 1] > clipped[:, 0]]


def _union(several: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return several[0] if len(several) == 1 else np.unique(np.concatenate(several))


def _union_runs(envelopes: Sequence[EnvelopeTrace]) -> NDArray[np.int64]:
    if all(np.array_equal(one.runs, other.runs) for one, other in pairwise(envelopes)):
        return envelopes[0].runs
    valid = np.zeros(len(envelopes[0].squared), bool)
    for envelope in envelopes:
        for first, last in envelope.runs:
            valid[first:last] = True
    return true_runs(valid)
