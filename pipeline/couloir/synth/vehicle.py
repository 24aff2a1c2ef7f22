"""Make vehicles: slow rise and fall, gliding engine tones, one station after another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from couloir.synth.geometry import Site, Station
from couloir.synth.packet import COUNTS_PER_M_S, band_shape, packet
from couloir.synth.wave import Wave, random_direction

Floats = NDArray[np.floating]

REACH_M = 700.0
QUALITY = 22.0
WAVE_SPEED_M_S = 600.0
REFERENCE_M = 30.0
HARMONICS = 4
KNOT_S = 4.0


@dataclass(frozen=True, eq=False)
class Vehicle:
    """Hold one drive along a site's road.

    Parameters
    ----------
    enters_m
        Where on the road it starts, m.
    velocity_m_s
        Its velocity along the road, negative when it drives back, m/s.
    peak_m_s
        Ground velocity at 30 m, m/s.
    firing_hz
        Frequency of the engine's firing at its mean speed, Hz.
    harmonics
        Relative amplitude of the tones, shape (4,).
    rolling
        Amplitude of tyres on the road over that of the engine.
    glide
        Engine speed over its mean at every 4 s of the drive, shape (k,).
    """

    enters_m: float
    velocity_m_s: float
    peak_m_s: float
    firing_hz: float
    harmonics: Floats
    rolling: float
    glide: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, site: Site) -> "Vehicle":
        """Draw a drive at 20 to 60 km/h in either direction; one in four is a lorry."""
        speed = rng.uniform(20, 60) / 3.6
        forward = rng.uniform() < 0.5
        low, high = site.road_m
        lorry = rng.uniform() < 0.25
        knots = int((high - low) / speed / KNOT_S) + 2
        harmonics = rng.uniform(0.1, 1, HARMONICS) / np.sqrt(np.arange(1, HARMONICS + 1))
        return cls(
            enters_m=low if forward else high,
            velocity_m_s=float(speed if forward else -speed),
            peak_m_s=float((2.2e-6 if lorry else 5e-7) * np.exp(rng.normal(0, 0.7))),
            firing_hz=float(rng.uniform(5, 8) if lorry else rng.uniform(7, 12)),
            harmonics=harmonics / np.sqrt(np.mean(harmonics**2)),
            rolling=float(rng.uniform(0.3, 1.2)),
            glide=_engine_speed(rng, knots),
        )

    def passing_s(self, x_m: float) -> float:
        """Give the time at which it passes a place on the road, s after the start of the drive."""
        return (x_m - self.enters_m) / self.velocity_m_s

    def record(self, station: Station, *, rng: np.random.Generator, sampling_rate: float) -> Wave:
        """Compute the wave at a station while the vehicle is less than 700 m of road away."""
        half = REACH_M / abs(self.velocity_m_s)
        start = round((self.passing_s(station.x_m) - half) * sampling_rate) / sampling_rate
        time = start + np.arange(round(2 * half * sampling_rate)) / sampling_rate
        ahead = self.enters_m + self.velocity_m_s * time - station.x_m
        distance = np.hypot(ahead, station.y_m)
        taper = np.sin(np.linspace(0, np.pi, len(time)))
        near = taper * REFERENCE_M / distance
        doppler = 1 - self.velocity_m_s * ahead / distance / WAVE_SPEED_M_S
        glide = np.interp(time, KNOT_S * np.arange(len(self.glide)), self.glide)
        firing = self.firing_hz * glide * doppler
        samples = _tones(firing, distance, self.harmonics, rng=rng, sampling_rate=sampling_rate) * near
        samples += self.rolling * _rolling(near, distance, rng=rng, sampling_rate=sampling_rate)
        scale = COUNTS_PER_M_S * station.amplification * self.peak_m_s
        return Wave(delay_s=start, samples=scale * samples)


def _tones(
    firing_hz: Floats,
    distance_m: Floats,
    harmonics: Floats,
    *,
    rng: np.random.Generator,
    sampling_rate: float,
) -> Floats:
    phase = 2 * np.pi * np.cumsum(firing_hz) / sampling_rate
    total = np.zeros((3, len(phase)))
    for order, amplitude in enumerate(harmonics, start=1):
        frequency = order * firing_hz
        loss = np.exp(-np.pi * frequency * distance_m / (WAVE_SPEED_M_S * QUALITY))
        audible = amplitude * loss * (frequency < 0.45 * sampling_rate)
        lag = rng.uniform(0, 2 * np.pi, 3)
        sine, cosine = audible * np.sin(order * phase), audible * np.cos(order * phase)
        weight = random_direction(rng, 1)[0]
        total += (weight * np.cos(lag))[:, np.newaxis] * sine + (weight * np.sin(lag))[:, np.newaxis] * cosine
    return total


def _rolling(near: Floats, distance_m: Floats, *, rng: np.random.Generator, sampling_rate: float) -> Floats:
    centre = float(rng.uniform(10, 18))
    loss = np.exp(-np.pi * centre * distance_m / (WAVE_SPEED_M_S * QUALITY))
    return packet(
        rng,
        near * loss,
        gain=lambda frequency: band_shape(frequency, centre, width=0.35),
        sampling_rate=sampling_rate,
        polarization=np.array([0.9, 0.9, 1.1]),
        coherence=0.2,
    )


def _engine_speed(rng: np.random.Generator, knots: int) -> Floats:
    """Draw engine speed over its mean: a slow wander, with a change of gear now and then."""
    wander = np.cumsum(rng.normal(0, 0.03, knots))
    gears = np.cumsum(rng.choice([0.0, -0.2, 0.2], size=knots, p=[0.92, 0.04, 0.04]))
    return np.asarray(np.clip(np.exp(wander - wander.mean() + gears - gears.mean()), 0.6, 1.7))
