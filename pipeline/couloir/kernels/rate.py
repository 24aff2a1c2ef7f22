"""Bring recordings to one sampling rate."""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal, special

MAX_DRIFT_S = 0.1
"""A rate is taken for its nominal one while the times it gives stay within this over the recording, s."""
_FINEST = 1_000
"""Largest whole numbers of a polyphase filter's ratio: its length grows with them."""
_SHIFT = 0.01
"""A ratio is taken for one of whole numbers while that moves no output by more than this many samples."""
_ZEROS = 32
"""Zero crossings of the sinc on each side, and its Kaiser window's parameter: flat to 0.9 Nyquist."""
_BETA = 9.0
_PHASES = 512
_CHUNK = 1 << 15
_WIDE = 16
"""From this ratio of the rates on the table has fewer phases: it stays as fine, and no larger."""


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
    """Resample one contiguous segment; the first sample keeps its time.

    A ratio of small whole numbers takes a polyphase filter. Any other (a header's 100.003 Hz) takes a windowed
    sinc at each output's own time, so that no sample is shifted however long the segment.

    Parameters
    ----------
    samples : ndarray, shape (n,)
    rate, target : float
        Present and wanted sampling rate, Hz.

    Returns
    -------
    ndarray of float64, shape (ceil(n * target / rate),)
        An output beyond the last sample's time, by less than one input interval, is extrapolated.
    """
    wide = np.asarray(samples, np.float64)
    n = len(wide)
    exact = target / rate
    ratio = Fraction(exact).limit_denominator(_FINEST)
    whole = abs(float(ratio) / exact - 1.0) * n * max(exact, 1.0) <= _SHIFT
    if n < 2 or (whole and ratio == 1):
        return wide
    slope = (wide[-1] - wide[0]) / (n - 1)
    level = wide - (wide[0] + slope * np.arange(n))  # no filter passes an offset of millions of counts well enough
    if whole:
        low_pass = _low_pass(max(ratio.numerator, ratio.denominator))
        out = signal.resample_poly(level, ratio.numerator, ratio.denominator, window=low_pass)
    else:
        out = _interpolate(level, exact)
    resampled: NDArray[np.float64] = out + (wide[0] + slope / exact * np.arange(len(out)))
    return resampled


@lru_cache(maxsize=4)
def _low_pass(finer: int) -> NDArray[np.float64]:
    taps: NDArray[np.float64] = signal.firwin(2 * _ZEROS * finer + 1, 1 / finer, window=("kaiser", _BETA))
    return taps


def _interpolate(samples: NDArray[np.float64], exact: float) -> NDArray[np.float64]:
    """Sum windowed sincs, read from a table between whose phases lines are drawn."""
    table, half = _sinc_table(min(exact, 1.0))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (half - 1, half)), 2 * half)
    out = np.empty(math.ceil(len(samples) * exact))
    chunk = max(_CHUNK * _ZEROS // half, 1)
    for first in range(0, len(out), chunk):
        position = np.arange(first, min(first + chunk, len(out))) / exact
        base = position.astype(np.int64)
        phase, part = np.divmod((position - base) * (len(table) - 1), 1.0)
        row = phase.astype(np.int64)
        near = around[base]
        low = np.einsum("ij,ij->i", near, table[row])
        high = np.einsum("ij,ij->i", near, table[row + 1])
        out[first : first + len(position)] = low + part * (high - low)
    return out


@lru_cache(maxsize=4)
def _sinc_table(cut: float) -> tuple[NDArray[np.float64], int]:
    """Tabulate the low-pass at `cut` x Nyquist for the phases of an output between two inputs."""
    half = math.ceil(_ZEROS / cut)
    phases = math.ceil(_PHASES * min(_WIDE * cut, 1.0))
    away = np.linspace(0, 1, phases + 1)[:, None] - np.arange(1 - half, half + 1)
    taper = special.i0(_BETA * np.sqrt(np.maximum(0, 1 - (away / half) ** 2))) / special.i0(_BETA)
    table = cut * np.sinc(cut * away) * taper
    return table / table.sum(axis=1, keepdims=True), half
