"""Make machinery: steady tones with harmonics, and hammering, switched on and off in working hours."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from couloir.synth.geometry import Site, Station
from couloir.synth.packet import COUNTS_PER_M_S, band_shape, surface_loss
from couloir.synth.wave import Wave, random_direction

Floats = NDArray[np.floating]

QUALITY = 30.0
WAVE_SPEED_M_S = 700.0
ENGINES_HZ = (7.5, 11.0, 16.5)
HARMONICS = 4
HAMMER_RATES_HZ = (3.0, 8.0)
RAMP_S = 1.0


@dataclass(frozen=True, eq=False)
class Machinery:
    """Hold one stretch of work of one machine.

    Parameters
    ----------
    x_m, y_m
        Place in the site, m.
    duration_s
        How long the machine is on, s.
    peak_m_s
        Ground velocity at 100 m, m/s.
    engine_hz
        Frequency of the engine's lowest tone, Hz.
    harmonics
        Relative amplitude of the tones, shape (4,).
    hammer_hz
        Blows a second; 0 when the machine does not hammer.
    hammer
        Amplitude of the hammer over that of the engine.
    """

    x_m: float
    y_m: float
    duration_s: float
    peak_m_s: float
    engine_hz: float
    harmonics: Floats
    hammer_hz: float
    hammer: float

    @classmethod
    def draw(cls, rng: np.random.Generator, site: Site) -> "Machinery":
        """Draw 10 to 60 s of work by one of three engines; two in five stretches hammer."""
        harmonics = rng.uniform(0.2, 1, HARMONICS) / np.arange(1, HARMONICS + 1) ** 0.5
        hammers = rng.uniform() < 0.4
        return cls(
            x_m=site.work_x_m + float(rng.normal(0, 30)),
            y_m=site.work_y_m + float(rng.normal(0, 30)),
            duration_s=float(rng.uniform(10, 60)),
            peak_m_s=float(9e-7 * np.exp(rng.normal(0, 0.7))),
            engine_hz=float(rng.choice(ENGINES_HZ) * np.exp(rng.normal(0, 0.03))),
            harmonics=harmonics / np.sqrt(np.mean(harmonics**2)),
            hammer_hz=float(rng.uniform(*HAMMER_RATES_HZ)) if hammers else 0.0,
            hammer=float(rng.uniform(1.5, 4)) if hammers else 0.0,
        )

    def record(self, station: Station, *, rng: np.random.Generator, sampling_rate: float) -> Wave:
        """Compute the wave at a station."""
        distance = float(np.hypot(self.x_m - station.x_m, self.y_m - station.y_m))
        time = np.arange(round((self.duration_s + RAMP_S) * sampling_rate)) / sampling_rate
        ramp = np.clip(np.minimum(time, time[-1] - time) / RAMP_S, 0, 1)
        samples = ramp * self._engine(time, distance, rng=rng, sampling_rate=sampling_rate)
        if self.hammer:
            samples += self._blows(ramp, distance, rng=rng, sampling_rate=sampling_rate)
        scale = COUNTS_PER_M_S * station.amplification * self.peak_m_s
        delay = round(distance / WAVE_SPEED_M_S * sampling_rate) / sampling_rate
        return Wave(delay_s=delay, samples=scale * samples)

    def _engine(self, time: Floats, distance: float, *, rng: np.random.Generator, sampling_rate: float) -> Floats:
        knots = np.arange(0, time[-1] + 5, 5.0)
        wobble = np.interp(time, knots, 1 + rng.normal(0, 0.006, len(knots)))
        phase = 2 * np.pi * self.engine_hz * np.cumsum(wobble) / sampling_rate
        total = np.zeros((3, len(time)))
        for order, amplitude in enumerate(self.harmonics, start=1):
            frequency = order * self.engine_hz
            if frequency > 0.45 * sampling_rate:
                break
            loss = float(self._loss(np.array([frequency]), distance)[0])
            weight, lag = random_direction(rng, 1)[0], rng.uniform(0, 2 * np.pi, 3)
            total += (
                amplitude
                * loss
                * weight[:, np.newaxis]
                * np.sin(order * phase[np.newaxis, :] + lag[:, np.newaxis])
            )
        return total

    def _blows(self, ramp: Floats, distance: float, *, rng: np.random.Generator, sampling_rate: float) -> Floats:
        intervals = rng.normal(1, 0.03, int(len(ramp) / sampling_rate * self.hammer_hz)) / self.hammer_hz
        blows = np.rint(np.cumsum(intervals) * sampling_rate).astype(int)
        train = np.zeros(len(ramp))
        train[blows[blows < len(ramp)]] = rng.uniform(0.6, 1.2, int(np.sum(blows < len(ramp))))
        padded = scipy.fft.next_fast_len(len(ramp) + round(sampling_rate), real=True)
        frequency = scipy.fft.rfftfreq(padded, 1 / sampling_rate)
        shape = band_shape(frequency, float(rng.uniform(14, 24)), width=0.4)
        ringing = 0.03 + 0.1 * distance / 1000
        decay = np.exp(-np.arange(padded) / sampling_rate / ringing)
        scatter = scipy.fft.rfft(decay * rng.standard_normal((3, padded))) / np.sqrt(np.sum(decay**2))
        spectrum = scipy.fft.rfft(ramp * train, padded) * scatter * shape * self._loss(frequency, distance)
        blow_peak = np.sqrt(ringing * sampling_rate / 2)
        direction = random_direction(rng, 1).T
        samples = scipy.fft.irfft(spectrum, padded)[:, : len(ramp)]
        return np.asarray(self.hammer * direction * blow_peak * samples)

    def _loss(self, frequency: Floats, distance: float) -> Floats:
        return surface_loss(frequency, distance, speed_m_s=WAVE_SPEED_M_S, quality=QUALITY)
