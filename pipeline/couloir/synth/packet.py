"""Build wave packets: random noise under an envelope in time and a gain in frequency."""

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Gain = Callable[[Floats], Floats]

COUNTS_PER_M_S = 4e8
"""Sensitivity of every channel, flat in ground velocity, counts/(m/s)."""


def packet(
    rng: np.random.Generator,
    envelope: Floats,
    *,
    gain: Gain,
    sampling_rate: float,
    polarization: Floats,
    coherence: float = 0.7,
) -> Floats:
    """Draw three-component wave packets.

    Parameters
    ----------
    rng
        The packet's random stream.
    envelope
        Envelope in time, shape (..., n).
    gain
        Amplitude factor as a function of frequency (Hz); its result broadcasts against (..., 1, m)
        for m frequencies. It is applied with zero phase.
    sampling_rate
        Sampling rate, Hz.
    polarization
        Amplitude of each component, shape (..., 3); signs set the direction of the common part.
    coherence
        Share of the power that the components have in common, 0 to 1.

    Returns
    -------
    numpy.ndarray
        Samples, shape (..., 3, n), in the gain's unit.
    """
    length = envelope.shape[-1]
    shape = (*envelope.shape[:-1], 4, length)
    noise = rng.standard_normal(shape, dtype=np.float32)
    common, own = noise[..., :1, :], noise[..., 1:, :]
    mixed = np.sqrt(coherence) * common + np.sqrt(1 - coherence) * own
    mixed = mixed * polarization[..., np.newaxis] * envelope[..., np.newaxis, :]
    padded = scipy.fft.next_fast_len(length + round(sampling_rate), real=True)
    spectrum = scipy.fft.rfft(mixed, padded)
    spectrum *= gain(scipy.fft.rfftfreq(padded, 1 / sampling_rate))
    return np.asarray(scipy.fft.irfft(spectrum, padded)[..., :length])


def rise_and_decay(length: int, sampling_rate: float, *, rise_s: Floats, decay_s: Floats) -> Floats:
    """Give the envelope (1 - exp(-t / rise)) exp(-t / decay), of peak 1.

    Parameters
    ----------
    length
        Number of samples, n.
    sampling_rate
        Sampling rate, Hz.
    rise_s, decay_s
        Time constants, s, of one shape (...).

    Returns
    -------
    numpy.ndarray
        Envelope, shape (..., n).
    """
    time = np.arange(length) / sampling_rate
    rise, decay = np.asarray(rise_s)[..., np.newaxis], np.asarray(decay_s)[..., np.newaxis]
    envelope = -np.expm1(-time / rise) * np.exp(-time / decay)
    ratio = rise / (rise + decay)
    peak = (1 - ratio) * ratio ** (rise / decay)
    return np.asarray(envelope / peak)


def band_shape(frequency: Floats, centre: Floats | float, *, width: float) -> Floats:
    """Give a log-normal hump over frequency under which white noise keeps its variance.

    What the hump has beyond the last frequency is lost, as it is to a recorder of that sampling rate.

    Parameters
    ----------
    frequency
        Frequencies from 0 to Nyquist, Hz, shape (m,).
    centre
        Frequency of the peak, Hz, shape (...) or one number.
    width
        Standard deviation of the logarithm of frequency.

    Returns
    -------
    numpy.ndarray
        Factor on the amplitude, shape (..., m).
    """
    peak = np.asarray(centre)[..., np.newaxis]
    ratio = np.log(np.maximum(frequency, 1e-6) / peak)
    power = peak * width * np.sqrt(np.pi) * np.exp(width**2 / 4)
    return np.asarray(np.sqrt(frequency[-1] / power) * np.exp(-0.5 * (ratio / width) ** 2))


def surface_loss(frequency: Floats, distance_m: Floats | float, *, speed_m_s: float, quality: float) -> Floats:
    """Give the loss of a surface wave on its way: spreading from 100 m and exp(-pi f t / Q).

    Parameters
    ----------
    frequency
        Frequencies, Hz, shape (m,).
    distance_m
        Distances, m, shape (...) or one number.
    speed_m_s
        Speed of the wave, m/s.
    quality
        Quality factor Q of the ground.

    Returns
    -------
    numpy.ndarray
        Factor on the amplitude, shape (..., m); 1 at 100 m and 0 Hz.
    """
    distance = np.asarray(distance_m)[..., np.newaxis]
    return np.asarray(np.sqrt(100 / distance) * np.exp(-np.pi * frequency * distance / (speed_m_s * quality)))
