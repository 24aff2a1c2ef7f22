"""Bring recordings to one sampling rate."""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

MAX_DRIFT_S = 0.1
"""A rate is taken for its nominal one while the times it gives stay within this over the recording, s."""
_FINEST = 10_000


def nominal_rate(rate: float, duration_s: float) -> float:
    """Round a header's rate to a whole number of samples a second where that does not shift the samples.

    Digitisers write rates like 40.00002 Hz. Over `duration_s` the rounded rate moves no sample by more than
    `MAX_DRIFT_S`; otherwise the rate is returned as it is.

    Parameters
    ----------
    rate : float
        Header's sampling rate, Hz.
    duration_s : float
        Length of the recording, s.

    Returns
    -------
    float
        Hz.
    """
    whole = float(round(rate)) if rate >= 1 else rate
    return whole if abs(whole / rate - 1.0) * duration_s <= MAX_DRIFT_S else rate


def resample(samples: NDArray[Any], rate: float, target: float) -> NDArray[np.float64]:
    """Resample one contiguous segment by a polyphase filter; the first sample keeps its time.

    Parameters
    ----------
    samples : ndarray, shape (n,)
    rate, target : float
        Present and wanted sampling rate, Hz.

    Returns
    -------
    ndarray of float64, shape (about n * target / rate,)
    """
    ratio = (
        Fraction(target).limit_denominator(_FINEST) / Fraction(rate).limit_denominator(_FINEST)
    ).limit_denominator(_FINEST)
    wide = np.asarray(samples, np.float64)
    if len(wide) < 2 or ratio == 1:
        return wide
    resampled: NDArray[np.float64] = signal.resample_poly(wide, ratio.numerator, ratio.denominator, padtype="line")
    return resampled
