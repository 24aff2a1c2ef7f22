"""Measure a station-day's noise: the median and the median absolute deviation of its envelope."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NoiseLevel:
    """Hold an envelope's median and raw MAD, in the envelope's unit (counts).

    The MAD is not scaled by 1.4826: the published threshold is median + 12 x raw MAD.
    """

    median: float
    mad: float

    @property
    def varies(self) -> bool:
        """Whether there is a noise to stand above: without it every sample, or none, would be a detection."""
        return 0 < self.mad < math.inf

    def threshold(self, factor: float) -> float:
        """Give median + factor x MAD, counts."""
        return self.median + factor * self.mad


def measure_noise(envelope: NDArray[np.floating]) -> NoiseLevel:
    """Measure the median and the raw median absolute deviation.

    Parameters
    ----------
    envelope : ndarray, shape (n,), n >= 1
        Envelope at the valid samples, counts.

    Returns
    -------
    NoiseLevel
    """
    work = envelope.copy()
    middle = _median(work)
    work -= work.dtype.type(middle)
    np.abs(work, out=work)
    return NoiseLevel(middle, _median(work))


def _median(values: NDArray[np.floating]) -> float:
    """Give the exact median by one partial sort in place; `numpy.median` takes several times as long."""
    half = len(values) // 2
    values.partition(half)
    upper = float(values[half])
    return upper if len(values) % 2 else 0.5 * (float(values[:half].max()) + upper)
