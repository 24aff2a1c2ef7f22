"""Make rockfalls: trains of high-frequency impacts, in large ones under a cigar-shaped flow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from couloir.synth.geometry import Site, Station
from couloir.synth.packet import COUNTS_PER_M_S, band_shape, packet, rise_and_decay, surface_loss
from couloir.synth.wave import Wave, random_direction

Floats = NDArray[np.floating]

QUALITY = 55.0
LEAST_PEAK_M_S = 5e-7
MOST_PEAK_M_S = 1e-3
PEAK_EXPONENT = 0.8
FLOW_FROM_M_S = 2e-6


@dataclass(frozen=True, eq=False)
class Rockfall:
    """Hold a rockfall: k impacts on the way down a slope.

    Parameters
    ----------
    times_s
        Time of each impact after the first, s, shape (k,).
    peaks_m_s
        Ground velocity of each impact at 100 m, m/s, shape (k,).
    centres_hz
        Frequency at which each impact is strongest, Hz, shape (k,).
    x_m, y_m
        Place of each impact in the site, m, shape (k,).
    speed_m_s
        Speed of the surface waves, m/s.
    flow
        Amplitude of the rubble's steady roar over that of the strongest impact; 0 for small falls.
    """

    times_s: Floats
    peaks_m_s: Floats
    centres_hz: Floats
    x_m: Floats
    y_m: Floats
    speed_m_s: float
    flow: float

    @classmethod
    def draw(cls, rng: np.random.Generator, site: Site) -> "Rockfall":
        """Draw a rockfall: sizes follow a power law, larger ones have more impacts and last longer."""
        quantile = rng.uniform((LEAST_PEAK_M_S / MOST_PEAK_M_S) ** PEAK_EXPONENT, 1)
        peak = LEAST_PEAK_M_S * quantile ** (-1 / PEAK_EXPONENT)
        growth = np.log10(peak / LEAST_PEAK_M_S)
        impacts = int(np.clip(1 + rng.poisson(2 + 8 * growth), 1, 30))
        times = _impact_times(rng, impacts, duration_s=np.clip(rng.normal(3 + 8 * growth, 3), 2, 30))
        relative = np.minimum(rng.pareto(1.5, impacts) + 0.3, 8)
        travelled = np.linspace(0, rng.uniform(50, 200), impacts)
        return cls(
            times_s=times,
            peaks_m_s=peak * relative / relative.max(),
            centres_hz=np.clip(rng.uniform(12, 28) * np.exp(rng.normal(0, 0.2, impacts)), 6, 33),
            x_m=site.cliff_x_m + rng.normal(0, 120) + rng.normal(0, 10, impacts),
            y_m=np.maximum(site.cliff_y_m + rng.normal(0, 60) - travelled, 40),
            speed_m_s=float(rng.uniform(500, 1500)),
            flow=float(rng.uniform(0.05, 0.45)) if peak > FLOW_FROM_M_S else 0.0,
        )

    def record(self, station: Station, *, rng: np.random.Generator, sampling_rate: float) -> Wave:
        """Compute the wave at a station: each impact with its own distance, delay and scattering."""
        distance = np.hypot(self.x_m - station.x_m, self.y_m - station.y_m)
        bursts = self._bursts(distance, rng=rng, sampling_rate=sampling_rate)
        starts = np.rint((self.times_s + distance / self.speed_m_s) * sampling_rate).astype(int)
        first = int(starts.min())
        samples = np.zeros((3, int(starts.max()) - first + bursts.shape[-1]))
        for start, burst in zip(starts - first, bursts, strict=True):
            samples[:, start : start + burst.shape[-1]] += burst
        if self.flow:
            samples += self._roar(samples.shape[-1], distance, rng=rng, sampling_rate=sampling_rate)
        scale = COUNTS_PER_M_S * station.amplification
        return Wave(delay_s=first / sampling_rate, samples=scale * samples)

    def _bursts(self, distance: Floats, *, rng: np.random.Generator, sampling_rate: float) -> Floats:
        decay = 0.10 + 0.35 * distance / 1000
        length = round(6 * decay.max() * sampling_rate)
        envelope = rise_and_decay(length, sampling_rate, rise_s=0.01 + 0.08 * distance / 1000, decay_s=decay)

        def gain(frequency: Floats) -> Floats:
            shape = band_shape(frequency, self.centres_hz, width=0.55)
            loss = surface_loss(frequency, distance, speed_m_s=self.speed_m_s, quality=QUALITY)
            return np.asarray((self.peaks_m_s[:, np.newaxis] * shape * loss)[:, np.newaxis, :])

        direction = random_direction(rng, len(self.times_s))
        return packet(rng, envelope, gain=gain, sampling_rate=sampling_rate, polarization=direction)

    def _roar(self, length: int, distance: Floats, *, rng: np.random.Generator, sampling_rate: float) -> Floats:
        phase = np.linspace(0, 1, length)
        peak_at = rng.uniform(0.35, 0.65)
        cigar = np.where(phase < peak_at, phase / peak_at, (1 - phase) / (1 - peak_at)) ** 1.5
        amplitude = self.flow * self.peaks_m_s.max()
        centre = 0.7 * float(np.median(self.centres_hz))

        def gain(frequency: Floats) -> Floats:
            loss = surface_loss(frequency, float(np.median(distance)), speed_m_s=self.speed_m_s, quality=QUALITY)
            return np.asarray(amplitude * band_shape(frequency, centre, width=0.5) * loss)

        return packet(rng, cigar, gain=gain, sampling_rate=sampling_rate, polarization=np.ones(3), coherence=0.0)


def _impact_times(rng: np.random.Generator, impacts: int, *, duration_s: float) -> Floats:
    """Space the impacts over the duration, with intervals that shrink, grow or keep their length."""
    if impacts == 1:
        return np.zeros(1)
    trend = np.geomspace(1, rng.uniform(0.2, 5), impacts - 1)
    intervals = trend * rng.gamma(2, 0.5, impacts - 1)
    times = np.concatenate([[0.0], np.cumsum(intervals)])
    return np.asarray(times * duration_s / times[-1])
