"""Picture windows of three components as the network's input: frequency x time x component."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from couloir.kernels.boxcox import fit_lambda, transform

COMPONENTS = ("E", "N", "Z")
_FLOOR = 1e-6
"""Magnitudes are raised to this share of the sample's greatest: a logarithm needs positive values."""

Transform = Literal["boxcox", "log", "minmax", "none"]


@dataclass(frozen=True)
class SpectrogramShape:
    """Hold the shape of a spectrogram.

    Parameters
    ----------
    frequencies : int
        Bins from 0 Hz to Nyquist, both included; the FFT has 2 x (frequencies - 1) points.
    times : int
        Frames, evenly spaced (to the sample) from the window's first segment to its last.
    segment : int
        Samples of the Hann-windowed segment of a frame.
    """

    frequencies: int
    times: int
    segment: int

    @property
    def fft_points(self) -> int:
        """Points of the FFT of a frame."""
        return 2 * (self.frequencies - 1)

    def frame_starts(self, samples: int) -> NDArray[np.int64]:
        """Place the frames in a window of this many samples, whole segments only."""
        return np.rint(np.linspace(0, samples - self.segment, self.times)).astype(np.int64)


def magnitudes(windows: NDArray[np.float32], shape: SpectrogramShape) -> NDArray[np.float32]:
    """Compute the magnitudes of the short-time Fourier transform.

    Parameters
    ----------
    windows : ndarray of float32, shape (events, 3, samples)
        Counts, without NaN; each component's mean is removed first.
    shape : SpectrogramShape

    Returns
    -------
    ndarray of float32, shape (events, frequencies, times, 3)
        Amplitude of a sine at each frequency, counts.
    """
    centred = windows - windows.mean(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    taper = signal.get_window("hann", shape.segment).astype(np.float32)
    taper *= 2 / taper.sum()
    frames = np.lib.stride_tricks.sliding_window_view(centred, shape.segment, axis=-1)
    frames = frames[..., shape.frame_starts(windows.shape[-1]), :] * taper
    spectra = fft.rfft(frames, shape.fft_points, axis=-1)
    return np.ascontiguousarray(np.abs(spectra).transpose(0, 3, 2, 1))


def normalise(pictures: NDArray[np.float32], present: NDArray[np.bool_], how: Transform) -> NDArray[np.float32]:
    """Normalise each event's magnitudes over all its components together.

    Parameters
    ----------
    pictures : ndarray of float32, shape (events, frequencies, times, 3)
        Magnitudes, not negative.
    present : ndarray of bool, shape (3,)
        Which components were recorded; the others become planes of zeros.
    how : {"boxcox", "log", "minmax", "none"}
        ``boxcox``: Box-Cox by maximum likelihood, then zero mean and unit variance (Luhu's input); ``log``: the
        logarithm, standardised likewise; ``minmax``: scaled to 0..1; ``none``: as they are.

    Returns
    -------
    ndarray of float32, shape (events, frequencies, times, 3)
        An event that is the same everywhere becomes zeros.
    """
    if present.all():
        return _normalise_rows(pictures.reshape(len(pictures), -1), how).reshape(pictures.shape)
    out = np.zeros_like(pictures)
    flat = np.ascontiguousarray(pictures[..., present]).reshape(len(pictures), -1)
    shape = (*pictures.shape[:3], int(present.sum()))
    out[..., present] = _normalise_rows(flat, how).reshape(shape)
    return out


def _normalise_rows(rows: NDArray[np.float32], how: Transform) -> NDArray[np.float32]:
    if how == "none":
        return rows
    if how == "minmax":
        raised: NDArray[np.float32] = rows - rows.min(axis=1, keepdims=True)
        raised /= _nonzero(raised.max(axis=1, keepdims=True))
        return raised
    greatest = rows.max(axis=1, keepdims=True)
    logs = np.maximum(rows, _FLOOR * _nonzero(greatest))
    np.log(logs, out=logs)
    # A common factor of x changes neither the exponent nor the standardised result; without it float32 suffices.
    logs -= logs.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    values = transform(logs, fit_lambda(logs)) if how == "boxcox" else logs
    return _standardise(values)


def _standardise(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    centred: NDArray[np.float32] = rows - rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    spread = np.sqrt(np.mean(np.square(centred), axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)
    centred /= _nonzero(spread)
    return centred


def _nonzero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(values > 0, values, np.float32(1))
