"""Band-pass and take the analytic signal in one pass of short FFTs (overlap-save)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

_BLOCK = 1 << 15
"""Samples of an FFT block: its spectrum, 128 KiB in complex64, stays in the second-level cache."""
_LEAKAGE = 1e-6
"""What the impulse response may still hold beyond the overlap, as a share of its whole energy's root."""
_ROUNDING = 1e-6
"""What float32 FFTs of a block may get wrong, as a share of the block's root mean square (measured: 4e-7)."""
_LONGEST = 1 << 22
"""Samples of the longest impulse response that is looked for."""


@dataclass(frozen=True, eq=False)
class AnalyticBandpass:
    """Hold the frequency response that band-passes and makes the analytic signal at once.

    A Butterworth band-pass run forwards and backwards multiplies each frequency by ``|H(f)|^2``; the analytic
    signal doubles positive frequencies and drops negative ones. Both are one multiplication.

    Attributes
    ----------
    response : ndarray of float32, shape (block // 2 + 1,)
        Twice ``|H(f)|^2`` at the frequencies of a real FFT of one block.
    block : int
        Samples of an FFT block.
    overlap : int
        Samples at each end of a block that its neighbours decide: the length of the impulse response.
    """

    response: NDArray[np.float32]
    block: int
    overlap: int

    def squared_envelope(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the squared envelope of one contiguous segment.

        The segment is detrended (least squares line) and continued at both ends by point reflection, so that
        neither an offset nor a slope rings at its ends. What is no more than rounding becomes 0: a dead channel
        stays dead beside a spike, a step or a drift.

        Parameters
        ----------
        samples : ndarray, shape (n,)
            Counts, any real dtype, without gaps.

        Returns
        -------
        ndarray of float32, shape (n,)
            Squared modulus of the analytic signal of the band-passed segment, counts squared.
        """
        n = len(samples)
        if n < 3:
            return np.zeros(n, np.float32)
        reach = self.overlap
        block, response = self._for_length(n)
        padded = _reflect_ends(_detrend(samples), reach)
        step = block - 2 * reach
        out = np.empty(n, np.float32)
        frame = np.zeros(block, np.float32)
        spectrum = np.zeros(block, np.complex64)
        for start in range(0, n, step):
            piece = padded[start : start + block]
            frame[: len(piece)] = piece
            frame[len(piece) :] = 0
            np.multiply(fft.rfft(frame), response, out=spectrum[: len(response)])
            analytic = fft.ifft(spectrum)[reach : reach + min(step, n - start)]
            target = out[start : start + len(analytic)]
            np.multiply(analytic.real, analytic.real, out=target)
            target += analytic.imag * analytic.imag
            target[target < _ROUNDING**2 * np.dot(frame, frame) / len(piece)] = 0
        return out

    def _for_length(self, n: int) -> tuple[int, NDArray[np.float32]]:
        """Halve the block while a whole short segment fits: every second frequency is a half block's response."""
        block = self.block
        while block % 4 == 0 and block // 2 >= n + 2 * self.overlap:
            block //= 2
        return block, self.response[:: self.block // block]


@lru_cache(maxsize=16)
def design_bandpass(
    band: tuple[float, float], sampling_rate: float, *, order: int = 4, block: int = _BLOCK
) -> AnalyticBandpass:
    """Design the zero-phase Butterworth band-pass with its analytic signal.

    Parameters
    ----------
    band : tuple of float
        Lower and upper corner, Hz.
    sampling_rate : float
        Hz.
    order : int
        Order of the Butterworth prototype, as in `scipy.signal.butter`.
    block : int
        Least FFT length; a response longer than an eighth of it takes longer blocks.

    Returns
    -------
    AnalyticBandpass

    Raises
    ------
    ValueError
        When the lower corner is so low that the impulse response does not end within 2^20 samples.
    """
    sections = signal.butter(order, band, "bandpass", fs=sampling_rate, output="sos")
    overlap = _impulse_length(sections)
    while overlap > block // 8:
        block *= 2
    _, gain = signal.freqz_sos(sections, worN=np.linspace(0, np.pi, block // 2 + 1))
    response = (2.0 * np.abs(gain) ** 2).astype(np.float32)
    response[0] = response[-1] = 0.0
    return AnalyticBandpass(response, block, overlap)


def _impulse_length(sections: NDArray[np.float64]) -> int:
    n = 1 << 18
    while n <= _LONGEST:
        _, gain = signal.freqz_sos(sections, worN=np.linspace(0, np.pi, n // 2 + 1))
        spectrum = np.zeros(n, complex)
        spectrum[1 : n // 2] = 2.0 * np.abs(gain[1 : n // 2]) ** 2
        tail = np.sqrt(np.cumsum(np.abs(fft.ifft(spectrum)[: n // 2][::-1]) ** 2)[::-1])
        length = int(np.argmax(tail < _LEAKAGE * tail[0]))
        if 0 < length <= n // 4:  # a longer one would be folded back onto its own beginning
            return length
        n *= 4
    raise ValueError(f"the band-pass rings for more than {_LONGEST // 4} samples: raise the band's lower corner")


def _detrend(samples: NDArray[Any]) -> NDArray[np.float32]:
    n = len(samples)
    centre = samples.mean(dtype=np.float64)
    ramp = np.arange(n, dtype=np.float64) - (n - 1) / 2
    slope = float(ramp @ samples) * 12.0 / (float(n) * (float(n) ** 2 - 1.0))
    ramp *= -slope
    ramp -= centre
    ramp += samples
    return ramp.astype(np.float32)


def _reflect_ends(samples: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    return np.pad(samples, reach, mode="reflect", reflect_type="odd")
