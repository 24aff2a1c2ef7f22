"""Measure a station-day's noise: the median and the median absolute deviation of its envelope."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEPS_A_WINDOW = 4
"""How often the noise is measured while the window runs over its own length."""
_PIECE = 1 << 16
"""Samples whose thresholds are computed at once when they change over the day."""
_LEAST_SHARE = 0.5
"""A window with fewer valid samples than this share of its length is not measured."""


@dataclass(frozen=True)
class NoiseLevel:
    """Hold an envelope's median and raw MAD, in the envelope's unit.

    The MAD is not scaled by 1.4826: the published threshold is median + 12 x raw MAD.
    """

    median: float
    mad: float

    @property
    def varies(self) -> bool:
        """Whether there is a noise to stand above: without it every sample, or none, would be a detection."""
        return 0 < self.mad < math.inf

    def threshold(self, factor: float) -> float:
        """Give median + factor x MAD."""
        return self.median + factor * self.mad


@dataclass(frozen=True)
class NoiseCurve:
    """Hold the noise along a day: measured at some positions, on lines between them, and level beyond them.

    Attributes
    ----------
    positions : ndarray of int64, shape (k,), k >= 1
        Grid positions, ascending.
    median, mad : ndarray of float64, shape (k,)
        In the envelope's unit.
    """

    positions: NDArray[np.int64]
    median: NDArray[np.float64]
    mad: NDArray[np.float64]

    @classmethod
    def level(cls, noise: NoiseLevel) -> "NoiseCurve":
        """Make the curve of a noise that is the same all day."""
        return cls(np.zeros(1, np.int64), np.array([noise.median]), np.array([noise.mad]))

    def at(self, position: int) -> NoiseLevel:
        """Give the noise at a grid position."""
        return NoiseLevel(
            float(np.interp(position, self.positions, self.median)),
            float(np.interp(position, self.positions, self.mad)),
        )

    def threshold(self, factor: float, where: slice | NDArray[np.int64]) -> NDArray[np.float64]:
        """Give median + factor x MAD at some grid positions: a single number where it is the same all day."""
        limits: NDArray[np.float64] = self.median + factor * self.mad
        if len(limits) == 1:
            return limits  # one limit for all
        positions = np.arange(where.start, where.stop) if isinstance(where, slice) else where
        return np.interp(positions, self.positions, limits)

    def pieces(self, first: int, last: int) -> Iterator[slice]:
        """Cut a stretch of the grid into pieces whose thresholds fit the cache."""
        length = last - first if len(self.positions) == 1 else _PIECE
        for start in range(first, last, max(length, 1)):
            yield slice(start, min(start + length, last))


def measure_noise(envelope: NDArray[np.floating], *, overwrite: bool = False) -> NoiseLevel:
    """Measure the median and the raw median absolute deviation.

    Parameters
    ----------
    envelope : ndarray, shape (n,), n >= 1
        Envelope at the valid samples.
    overwrite : bool
        Work in the array itself: its values are lost, and a copy is saved.

    Returns
    -------
    NoiseLevel
    """
    work = envelope if overwrite else envelope.copy()
    middle = _median(work)
    work -= work.dtype.type(middle)
    np.abs(work, out=work)
    return NoiseLevel(middle, _median(work))


def measure_running_noise(
    squared: NDArray[np.float32], runs: NDArray[np.int64], window: int, *, day: NoiseLevel
) -> NoiseCurve:
    """Measure the noise in a window that runs over a day.

    The window moves by a quarter of its length and is cut at both ends of the day. One that is less than half
    valid and alive, or in which nothing varies, is left out: a line between its neighbours goes over it.

    Parameters
    ----------
    squared : ndarray of float32, shape (n,)
        Squared envelope.
    runs : ndarray of int64, shape (runs, 2)
        Valid stretches of the day, in order.
    window : int
        Samples.
    day : NoiseLevel
        What is taken where no window can be measured.

    Returns
    -------
    NoiseCurve
    """
    if not len(runs):
        return NoiseCurve.level(day)
    step = max(window // _STEPS_A_WINDOW, 1)
    positions: list[int] = []
    levels: list[NoiseLevel] = []
    for centre in range(int(runs[0, 0]) + step // 2, int(runs[-1, 1]), step):
        bounds = np.clip(runs, centre - window // 2, centre - window // 2 + window)
        parts = [squared[first:last] for first, last in bounds if last > first]
        values = np.concatenate(parts) if parts else squared[:0]
        alive = values[values > 0]  # an outage that was filled with zeros is no quiet hour
        if len(alive) < _LEAST_SHARE * window:
            continue
        level = measure_noise(np.sqrt(alive), overwrite=True)
        if level.varies:
            positions.append(centre)
            levels.append(level)
    if not levels:
        return NoiseCurve.level(day)
    return NoiseCurve(
        np.array(positions, np.int64),
        np.array([level.median for level in levels]),
        np.array([level.mad for level in levels]),
    )


def _median(values: NDArray[np.floating]) -> float:
    """Give the exact median by one partial sort in place; `numpy.median` takes several times as long."""
    half = len(values) // 2
    values.partition(half)
    upper = float(values[half])
    return upper if len(values) % 2 else 0.5 * (float(values[:half].max()) + upper)
