"""Band-pass and take the analytic signal in one pass of short FFTs (overlap-save)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

_BLOCK = 1 << 13
"""Samples of an FFT block."""
_TOGETHER = 16
"""Blocks transformed at once, 1 MiB in complex64: the FFT works on several in step, and stays in the cache."""
_PIECE = 1 << 15
"""Samples worked on at once in float64."""
_LEAST_PIECES = 16
_SHORTEST = 3
"""Segments of fewer samples have no trend to take away, and no envelope."""
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

        The segment is detrended by a line and continued at both ends by point reflection, so that
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
        out = np.zeros(len(samples), np.float32)
        self.add_squared_envelope(samples, out)
        return out

    def add_squared_envelope(self, samples: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Add the squared envelope of one contiguous segment to what `out`, shape (n,), holds already."""
        if len(samples) < _SHORTEST:
            return
        block, response = self._for_length(len(samples))
        step = block - 2 * self.overlap
        spectra = np.zeros((_TOGETHER, block), np.complex64)
        for first, frames in _frames(samples, block, self.overlap):
            some = spectra[: len(frames)]
            np.multiply(fft.rfft(frames, axis=1), response, out=some[:, : len(response)])
            some[:, len(response) :] = 0
            analytic = fft.ifft(some, axis=1, overwrite_x=True).view(np.float32)
            parts = np.square(analytic[:, 2 * self.overlap : 2 * (block - self.overlap)])
            squared = parts[:, ::2] + parts[:, 1::2]
            _drop_rounding(squared, frames)
            target = out[first : first + len(frames) * step]
            target += squared.reshape(-1)[: len(target)]

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


def _frames(samples: NDArray[Any], block: int, reach: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Give a detrended segment, continued at both ends, some overlapping blocks at a time.

    Yields
    ------
    int, ndarray of float32, shape (at most `_TOGETHER`, block)
        The first sample that the blocks decide, and the blocks: views of one buffer, valid until the next.
    """
    n, step = len(samples), block - 2 * reach
    line = _Line(samples)
    near = min(n, reach + 1)
    ahead = np.pad(line.without(0, near), (reach, 0), mode="reflect", reflect_type="odd")[:reach]
    behind = np.pad(line.without(n - near, n), (0, reach), mode="reflect", reflect_type="odd")[near:]
    for first in range(0, n, _TOGETHER * step):
        count = min(_TOGETHER, -(-(n - first) // step))
        buffer = np.zeros(count * step + 2 * reach, np.float32)
        start, stop = first - reach, first + count * step + reach
        line.write(max(start, 0), min(stop, n), buffer[max(-start, 0) :])
        if start < 0:
            buffer[:-start] = ahead[start:]
        if stop > n:
            rest = buffer[n - start :][:reach]
            rest[:] = behind[: len(rest)]
        yield first, np.lib.stride_tricks.sliding_window_view(buffer, block)[::step]


class _Line:
    """Fit a line to the means of a segment's pieces by least squares, and take it away piece by piece.

    No BLAS: its sums depend on how many
    threads it has, and the same day must give the same bytes everywhere.
    """

    def __init__(self, samples: NDArray[Any]) -> None:
        self.samples = samples
        n = len(samples)
        length = min(_PIECE, max(n // _LEAST_PIECES, 1))
        starts = np.arange(0, n - length + 1, length)
        middles = starts + (length - 1) / 2
        means = np.array([samples[a : a + length].mean(dtype=np.float64) for a in starts])
        away = middles - middles.mean()
        self.slope = float((away * means).sum() / max((away * away).sum(), 1.0))
        self.intercept = float(means.mean() - self.slope * middles.mean())
        self._ramp = self.slope * np.arange(_PIECE, dtype=np.float64)

    def write(self, first: int, last: int, out: NDArray[np.float32]) -> None:
        """Write samples `first` up to `last`, less the line, to the beginning of `out`."""
        for start in range(first, last, _PIECE):
            stop = min(start + _PIECE, last)
            values = self.samples[start:stop] - self._ramp[: stop - start]
            values -= self.intercept + self.slope * start
            out[start - first : stop - first] = values

    def without(self, first: int, last: int) -> NDArray[np.float32]:
        """Give samples `first` up to `last`, less the line."""
        out = np.empty(last - first, np.float32)
        self.write(first, last, out)
        return out


def _drop_rounding(squared: NDArray[np.float32], frames: NDArray[np.float32]) -> None:
    """Set to 0 what is no more than the rounding of each block's FFT."""
    energy = np.einsum("ij,ij->i", frames, frames)
    floor = np.float32(_ROUNDING**2 / frames.shape[1]) * energy
    for row in np.flatnonzero(squared.min(axis=1) < floor):
        squared[row][squared[row] < floor[row]] = 0
