"""Detect transients in a station-day: envelope, noise level, triggers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from couloir.kernels.bandpass import AnalyticBandpass
from couloir.kernels.grid import Grid
from couloir.kernels.noise import NoiseLevel, measure_noise
from couloir.kernels.trigger import Trigger, TriggerRule, find_triggers, intersect_runs, true_runs

EnvelopeKind = Literal["vector", "vertical", "any"]


@dataclass(frozen=True)
class DetectionRule:
    """Hold how triggers are found.

    Parameters
    ----------
    bandpass : AnalyticBandpass
    envelope : {"vector", "vertical", "any"}
        ``vector``: root sum of squares of the components; ``vertical``: Z; ``any``: each component by itself.
    on_factor, off_factor : float
        Thresholds in MADs above the median.
    edge : int
        Samples at each end of a contiguous stretch that neither count nor trigger.
    trigger : TriggerRule
    """

    bandpass: AnalyticBandpass
    envelope: EnvelopeKind
    on_factor: float
    off_factor: float
    edge: int
    trigger: TriggerRule


@dataclass(frozen=True)
class EnvelopeTrace:
    """Hold an envelope on the grid, where it counts, and its noise level over the day.

    Attributes
    ----------
    squared : ndarray of float32, shape (n,)
        Squared envelope, counts squared; 0 outside `runs`.
    runs : ndarray of int64, shape (runs, 2)
        Valid stretches.
    valid : int
        Valid samples of the day itself.
    noise : NoiseLevel or None
        None when the day has no valid sample.
    """

    squared: NDArray[np.float32]
    runs: NDArray[np.int64]
    valid: int
    noise: NoiseLevel | None

    def above(self, factor: float, own: slice) -> NDArray[np.int64]:
        """List the day's valid positions over median + factor x MAD."""
        if self.noise is None:
            return np.empty(0, np.int64)
        limit = np.float32(self.noise.threshold(factor)) ** 2
        over = [np.flatnonzero(self.squared[a:b] > limit) + a for a, b in _clip_runs(self.runs, own)]
        return np.concatenate(over) if over else np.empty(0, np.int64)

    def peak(self, first: int, last: int) -> tuple[int, float]:
        """Give position and value (counts) of the envelope's greatest sample in a stretch of the grid."""
        first, last = max(first, 0), min(last, len(self.squared))
        position = first + int(np.argmax(self.squared[first:last]))
        return position, float(np.sqrt(self.squared[position]))


@dataclass(frozen=True)
class Detection:
    """Hold a day's envelopes (one, or one a component) and its triggers in order."""

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
        """Give the envelope that stands furthest above its own noise in a stretch, and that noise.

        Raises
        ------
        ValueError
            When every envelope is flat.
        """
        best: tuple[float, EnvelopeTrace, NoiseLevel] | None = None
        for envelope in self.envelopes:
            if envelope.noise is None or not envelope.noise.varies:
                continue
            score = (envelope.peak(first, last)[1] - envelope.noise.median) / envelope.noise.mad
            if best is None or score > best[0]:
                best = (score, envelope, envelope.noise)
        if best is None:
            raise ValueError("every envelope of the day is flat")
        return best[1], best[2]

    def peak(self, first: int, last: int) -> tuple[int, float]:
        """Give position and value (counts) of the greatest sample of the loudest envelope in a stretch."""
        return self.loudest(first, last)[0].peak(first, last)


def detect(components: Mapping[str, Grid], own: slice, rule: DetectionRule) -> Detection:
    """Find the triggers whose samples lie in the day itself.

    With ``vector``, a sample is valid where every component is; the noise level is measured over the day's valid
    samples. With ``any``, a trigger is on where any component is over its own threshold.

    Parameters
    ----------
    components : mapping of str to Grid
        By component, on one grid. ``vertical`` takes Z.
    own : slice
        The day's positions in the grid; what lies outside is context for the filter.
    rule : DetectionRule

    Returns
    -------
    Detection
    """
    if rule.envelope == "vertical":
        groups = [[components["Z"]]] if "Z" in components else []
    elif rule.envelope == "any":
        groups = [[grid] for grid in components.values()]
    else:
        groups = [list(components.values())] if components else []
    envelopes = tuple(_trace(group, own, rule) for group in groups)
    lively = [envelope for envelope in envelopes if envelope.noise and envelope.noise.varies]
    if not lively:
        return Detection(envelopes, ())
    on = _union(envelope.above(rule.on_factor, own) for envelope in lively)
    off = _union(envelope.above(rule.off_factor, own) for envelope in lively)
    runs = lively[0].runs if len(lively) == 1 else _union_runs(lively)
    return Detection(envelopes, tuple(find_triggers(on, off, _clip_runs(runs, own), rule.trigger)))


def _trace(grids: list[Grid], own: slice, rule: DetectionRule) -> EnvelopeTrace:
    squared = np.zeros(len(grids[0].samples), np.float32)
    valid: NDArray[np.int64] | None = None
    for grid in grids:
        long_enough = grid.runs[grid.runs[:, 1] - grid.runs[:, 0] > 2 * rule.edge]
        for first, last in long_enough:
            rule.bandpass.add_squared_envelope(grid.samples[first:last], squared[first:last])
        settled = long_enough + np.array([rule.edge, -rule.edge])
        valid = settled if valid is None else intersect_runs(valid, settled)
    assert valid is not None  # noqa: S101 - there is at least one component
    _clear_outside(squared, valid)
    counted = [np.sqrt(squared[first:last]) for first, last in _clip_runs(valid, own)]
    if not counted:
        return EnvelopeTrace(squared, valid, 0, None)
    envelope = np.concatenate(counted) if len(counted) > 1 else counted[0]
    return EnvelopeTrace(squared, valid, len(envelope), measure_noise(envelope))


def _clear_outside(values: NDArray[np.float32], runs: NDArray[np.int64]) -> None:
    bounds = np.concatenate(([0], runs.ravel(), [len(values)]))
    for first, last in bounds.reshape(-1, 2):
        values[first:last] = 0


def _clip_runs(runs: NDArray[np.int64], own: slice) -> NDArray[np.int64]:
    clipped = np.clip(runs, own.start, own.stop)
    return clipped[clipped[:, 1] > clipped[:, 0]]


def _union(positions: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    several = list(positions)
    return several[0] if len(several) == 1 else np.unique(np.concatenate(several))


def _union_runs(envelopes: list[EnvelopeTrace]) -> NDArray[np.int64]:
    valid = np.zeros(len(envelopes[0].squared), bool)
    for envelope in envelopes:
        for first, last in envelope.runs:
            valid[first:last] = True
    return true_runs(valid)
