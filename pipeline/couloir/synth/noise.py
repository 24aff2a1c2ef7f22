"""Make a station-day's background noise, and say how strong it is at each hour.

Noise is made in blocks of half an hour that fade into each other, so that a day needs of its neighbours
only one block, no seam is seen at midnight, and the spectrum can follow the hour.
"""

import datetime as dt

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from couloir.synth.geometry import Station
from couloir.synth.occurrence import LOCAL_TIME_H
from couloir.synth.spec import BLOCKS_PER_DAY, SynthSpec
from couloir.synth.streams import fast_stream, stream

Floats = NDArray[np.floating]

FADE_S = 60.0
GUST_S = 20.0
GUST_SPREAD = 0.12
GAMMA_3_MEDIAN = 2.674060314
"""Median of the gamma distribution of shape 3 and scale 1."""
COMPONENT_LEVEL = (1.1, 1.1, 1.0)
NIGHT, DAY = 0.5, 1.5
"""Amplitude of the cultural band in the small hours and at noon, relative to its mean."""


def make_noise(spec: SynthSpec, station: Station, day: dt.date) -> NDArray[np.float32]:
    """Make the noise of a station-day.

    Parameters
    ----------
    spec
        The archive; its seed and sampling rate matter.
    station
        The station.
    day
        The UTC day.

    Returns
    -------
    numpy.ndarray
        Shape (3, samples of a day), components E, N, Z, counts. Consecutive days join smoothly.
    """
    total = spec.samples_per_day
    hop = total // BLOCKS_PER_DAY
    fade = round(FADE_S * spec.sampling_rate)
    ramp = np.sin((np.arange(fade, dtype=np.float32) + 0.5) * np.float32(np.pi / 2 / fade))
    noise = np.zeros((3, total), dtype=np.float32)
    first = day.toordinal() * BLOCKS_PER_DAY
    for number in range(-1, BLOCKS_PER_DAY + 1):
        block = _block(spec, station, first + number, hop + fade)
        block[:, :fade] *= ramp
        block[:, hop:] *= ramp[::-1]
        start = number * hop - fade // 2
        low, high = max(start, 0), min(start + hop + fade, total)
        noise[:, low:high] += block[:, low - start : high - start]
    return noise


def median_envelope(station: Station, hour_utc: float, *, frequency: Floats, response: Floats) -> float:
    """Give the median of the noise's three-component envelope in a band, from its spectrum.

    Parameters
    ----------
    station
        The station.
    hour_utc
        Hour of the day, UTC.
    frequency
        Evenly spaced frequencies, Hz, shape (m,).
    response
        The band's amplitude response at them, shape (m,).

    Returns
    -------
    float
        Counts. The squared envelope of Gaussian noise is a sum of exponentials, one a component; they
        are taken as equally strong, so that it has a gamma distribution.
    """
    density = spectral_density(frequency, station, _culture(hour_utc))
    power = float(np.sum(density * response**2) * (frequency[1] - frequency[0]))
    mean_level = float(np.mean(np.square(COMPONENT_LEVEL)))
    return float(np.sqrt(2 * power * mean_level * GAMMA_3_MEDIAN))


def spectral_density(frequency: Floats, station: Station, culture: float) -> Floats:
    """Give the noise's one-sided power spectral density on the vertical.

    Parameters
    ----------
    frequency
        Frequencies, Hz.
    station
        The station.
    culture
        Amplitude of the cultural band relative to its mean.

    Returns
    -------
    numpy.ndarray
        Counts²/Hz: microseism at 0.2 Hz, a part that falls as 1/f, people's noise about 7 Hz, a floor.
    """
    safe = np.maximum(frequency, 0.02)
    microseism = 70 * np.exp(-0.5 * (np.log(safe / 0.2) / 0.35) ** 2)
    red = 7 / safe
    human = culture * 5 * np.exp(-0.5 * (np.log(safe / 7) / 0.6) ** 2)
    floor = 3.0
    density = microseism**2 + red**2 + human**2 + floor**2
    return np.asarray(station.noise_level**2 * density)


def _block(spec: SynthSpec, station: Station, number: int, length: int) -> NDArray[np.float32]:
    """Make one block of noise of all components, shape (3, length); number counts half hours."""
    padded = scipy.fft.next_fast_len(length, real=True)
    frequency = scipy.fft.rfftfreq(padded, 1 / spec.sampling_rate)
    hour = (number % BLOCKS_PER_DAY + 0.5) * 24 / BLOCKS_PER_DAY
    density = spectral_density(frequency, station, _culture(hour))
    gain = np.sqrt(density * spec.sampling_rate * padded / 4).astype(np.float32)
    block = np.empty((3, length), dtype=np.float32)
    for index, level in enumerate(COMPONENT_LEVEL):
        rng = fast_stream(spec.seed, "noise", number, station.index, index)
        spectrum = rng.standard_normal(2 * len(gain), dtype=np.float32).view(np.complex64)
        spectrum *= np.float32(level) * gain
        block[index] = scipy.fft.irfft(spectrum, padded, overwrite_x=True)[:length]
    block *= _gusts(spec, station, number, length)
    return block


def _gusts(spec: SynthSpec, station: Station, number: int, length: int) -> NDArray[np.float32]:
    """Draw a slow change of amplitude about 1: real noise is not quite stationary."""
    rng = stream(spec.seed, "gusts", number, station.index)
    knots = np.arange(0, length + GUST_S * spec.sampling_rate, GUST_S * spec.sampling_rate)
    gusts = np.exp(rng.normal(0, GUST_SPREAD, len(knots)))
    return np.interp(np.arange(length), knots, gusts).astype(np.float32)


def _culture(hour_utc: float) -> float:
    """Give people's noise at an hour of the day relative to its mean: least at 02, most at 14 local."""
    phase = 2 * np.pi * (hour_utc + LOCAL_TIME_H - 2) / 24
    return float((NIGHT + DAY) / 2 - (DAY - NIGHT) / 2 * np.cos(phase))
