"""Band-pass and take the analytic signal in one pass of short FFTs (overlap-save)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

_BLOCK = 1 << 14
"""Samples of an FFT block."""
_TOGETHER = 8
"""Blocks of a component transformed at once: the FFT works on several in step, and all stay in the cache."""
_SPARSE = 64
"""Every so many samples of a block, one has a say in its level."""
_EXACT = 1 << 22
"""Around lower levels float32 holds a sample as well as its difference from the level."""
_SHORTEST = 3
"""Segments of fewer samples have no envelope."""
_LEAKAGE = 1e-7
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
    band : tuple of float
        Lower and upper corner, Hz.
    response : ndarray of float32, shape (block // 2 + 1,)
        Twice ``|H(f)|^2`` at the frequencies of a real FFT of one block.
    block : int
        Samples of an FFT block.
    overlap : int
        Samples at each end of a block that its neighbours decide: the length of the impulse response.
    """

    band: tuple[float, float]
    response: NDArray[np.float32]
    block: int
    overlap: int

    def squared_envelope(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the squared envelope of one contiguous segment.

        The segment is continued at both ends by point reflection, so that neither an offset nor a slope rings at
        its ends. What is no more than rounding becomes 0: a dead channel stays dead beside a spike, a step or a
        drift.

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
        self.add_squared_envelopes([samples], out)
        return out

    def add_squared_envelopes(
        self,
        components: Sequence[NDArray[Any]],
        out: NDArray[np.float32],
        *,
        gains: Sequence[float] | None = None,
    ) -> None:
        """Add the squared envelopes of the components of one segment to what an array holds.

        Parameters
        ----------
        components : sequence of ndarray, each of shape (n,)
        out : ndarray of float32, shape (n,)
        gains : sequence of float, optional
            What each component is multiplied by; 1 when not given.
        """
        if len(out) < _SHORTEST:
            return
        block, response = self._for_length(len(out))
        gain = np.ones(len(components), np.float32) if gains is None else np.asarray(gains, np.float32)
        responses = response * gain[:, None, None]
        spectra = np.zeros((len(components), _TOGETHER, block), np.complex64)
        inner = slice(2 * self.overlap, 2 * (block - self.overlap))
        for first, frames in _frames(components, block, self.overlap):
            some = spectra[:, : frames.shape[1]]
            np.multiply(fft.rfft(frames, axis=-1), responses, out=some[..., : len(response)])
            some[..., len(response) :] = 0
            parts = fft.ifft(some, axis=-1, overwrite_x=True).view(np.float32)[..., inner]
            np.square(parts, out=parts)
            added = parts[0]
            for other in parts[1:]:
                added += other
            squared = added[:, ::2] + added[:, 1::2]
            _drop_rounding(squared, frames, gain)
            target = out[first : first + squared.size]
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
    return AnalyticBandpass(band, response, block, overlap)


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


def _frames(
    components: Sequence[NDArray[Any]], block: int, reach: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Cut the components of a segment, continued at both ends, into overlapping blocks, and give some at a time.

    Yields
    ------
    int, ndarray of float32, shape (components, at most `_TOGETHER`, block)
        The first sample that the blocks decide, and the blocks, levelled: one buffer, valid until the next.
    """
    n, step = len(components[0]), block - 2 * reach
    continued = [_Continued(samples, block, reach) for samples in components]
    buffer = np.empty((len(components), _TOGETHER, block), np.float32)
    for first in range(0, n, _TOGETHER * step):
        count = min(_TOGETHER, -(-(n - first) // step))
        for row, samples in zip(buffer, continued, strict=True):
            stretch = samples.stretch(first - reach, first + count * step + reach)
            frames = np.lib.stride_tricks.sliding_window_view(stretch, block)[::step]
            _level(frames, row[:count])
        yield first, buffer[:, :count]


class _Continued:
    """Continue a segment at both ends by point reflection."""

    def __init__(self, samples: NDArray[Any], block: int, reach: int) -> None:
        n = len(samples)
        if n <= block:  # over a whole block the slope of a short segment would grow far beyond its signal
            samples = samples - np.linspace(samples[0], samples[-1], n)
        near = min(n, reach + 1)
        self._samples = samples
        self._reach = reach
        self._ahead = _reflect(samples[near - 1 :: -1], reach)[::-1]
        self._behind = _reflect(samples[n - near :], reach)

    def stretch(self, start: int, stop: int) -> NDArray[Any]:
        """Give samples from `start` (-reach or more) up to `stop`; far behind the end the last is repeated."""
        n = len(self._samples)
        inside = self._samples[max(start, 0) : stop]
        if start >= 0 and stop <= n:
            return inside
        filler = np.full(max(stop - n - self._reach, 0), self._behind[-1])
        return np.concatenate((self._ahead[: max(-start, 0)], inside, self._behind[: max(stop - n, 0)], filler))


def _reflect(samples: NDArray[Any], length: int) -> NDArray[np.float64]:
    """Give so many samples beyond the last by point reflection."""
    wide = samples.astype(np.float64)
    return np.pad(wide, (0, length), mode="reflect", reflect_type="odd")[len(wide) :]


def _level(frames: NDArray[Any], out: NDArray[np.float32]) -> None:
    """Take its level from each block, so that float32 has digits left for the signal.

    The band-pass answers a constant with nothing: that each block has its own leaves the result as it is.
    """
    level = frames[:, ::_SPARSE].mean(axis=1, keepdims=True, dtype=np.float64)
    if np.abs(level).max() < _EXACT:
        out[...] = frames
        out -= level.astype(np.float32)
    else:
        np.subtract(frames, level, out=out, dtype=np.float64, casting="unsafe")


def _drop_rounding(squared: NDArray[np.float32], frames: NDArray[np.float32], gain: NDArray[np.float32]) -> None:
    """Set to 0 what is no more than the rounding of the FFTs of a block of all components."""
    energy = (gain[:, None] ** 2 * np.einsum("kij,kij->ki", frames, frames)).sum(axis=0)
    floor = np.float32(_ROUNDING**2 / frames.shape[-1]) * energy
    for row in np.flatnonzero(squared.min(axis=1) < floor):
        squared[row][squared[row] < floor[row]] = 0
