"""Make local and distant earthquakes: P, S and coda by the stochastic method.

Each phase is windowed noise whose spectrum is Brune's source spectrum after spreading and anelastic
loss (Boore, 2003, Pure appl. geophys. 160, 635-676; Brune, 1970, J. Geophys. Res. 75, 4997-5009).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from couloir.synth.geometry import Site, Station
from couloir.synth.packet import COUNTS_PER_M_S, packet, rise_and_decay
from couloir.synth.wave import Wave

Floats = NDArray[np.floating]

DENSITY = 2700.0
SHEAR_SPEED_M_S = 3400.0
RADIATION_AND_SURFACE = 0.6 * 2.0
SPREADING_KNEE_KM = 100.0
LEAD_S = 0.5
"""Time before each arrival, for what the zero-phase spectrum spreads ahead of it."""


@dataclass(frozen=True)
class Phase:
    """Hold how one phase travels and looks.

    Parameters
    ----------
    speed_km_s
        Mean speed on the way, km/s.
    quality
        Mean quality factor on the way.
    strength
        Spectral level relative to the S wave of a point source.
    corner
        Corner frequency relative to that of S.
    rise_s
        Time constant of the onset, s.
    decay_s
        Time constant of the decay: constant part, s, and part that grows with distance, s/km.
    vertical, along, across
        Amplitude on the vertical, along the ray's azimuth and across it.
    """

    speed_km_s: float
    quality: float
    strength: float
    corner: float
    rise_s: float
    decay_s: tuple[float, float]
    vertical: float
    along: float
    across: float


@dataclass(frozen=True)
class Region:
    """Hold where a class of earthquakes happens, how large they are and which phases they send."""

    distance_km: tuple[float, float]
    depth_km: tuple[float, float]
    magnitude: tuple[float, float]
    phases: tuple[Phase, ...]


LOCAL = Region(
    distance_km=(5, 60),
    depth_km=(3, 18),
    magnitude=(0.7, 4.2),
    phases=(
        Phase(6.0, 500, 0.25, 1.4, 0.02, (0.5, 0.05), 1.0, 0.5, 0.3),
        Phase(3.46, 450, 1.0, 1.0, 0.05, (0.5, 0.07), 0.4, 0.8, 1.0),
        Phase(3.40, 300, 0.5, 0.8, 0.5, (3.0, 0.14), 0.7, 0.8, 0.8),
    ),
)
DISTANT = Region(
    distance_km=(200, 750),
    depth_km=(10, 60),
    magnitude=(2.8, 5.4),
    phases=(
        Phase(8.0, 450, 0.12, 1.4, 2.0, (3.0, 0.010), 1.0, 0.6, 0.4),
        Phase(4.5, 800, 0.7, 1.0, 3.0, (4.0, 0.012), 0.5, 0.9, 1.0),
        Phase(3.6, 700, 1.0, 0.9, 5.0, (5.0, 0.018), 0.8, 0.8, 0.9),
    ),
)


@dataclass(frozen=True)
class Earthquake:
    """Hold an earthquake: its place from the network's origin (km), size and stress drop (Pa)."""

    region: Region
    east_km: float
    north_km: float
    depth_km: float
    magnitude: float
    stress_drop_pa: float

    @classmethod
    def draw_local(cls, rng: np.random.Generator, _site: Site) -> "Earthquake":
        """Draw an earthquake 5 to 60 km away."""
        return cls._draw(rng, LOCAL)

    @classmethod
    def draw_distant(cls, rng: np.random.Generator, _site: Site) -> "Earthquake":
        """Draw an earthquake 200 to 750 km away."""
        return cls._draw(rng, DISTANT)

    @classmethod
    def _draw(cls, rng: np.random.Generator, region: Region) -> "Earthquake":
        near, far = region.distance_km
        distance = near + (far - near) * np.sqrt(rng.uniform())
        azimuth = rng.uniform(0, 2 * np.pi)
        least, most = region.magnitude
        tail = rng.uniform(10 ** (least - most), 1)
        return cls(
            region=region,
            east_km=float(distance * np.sin(azimuth)),
            north_km=float(distance * np.cos(azimuth)),
            depth_km=float(rng.uniform(*region.depth_km)),
            magnitude=float(least - np.log10(tail)),
            stress_drop_pa=float(3e6 * np.exp(rng.normal(0, 0.7))),
        )

    def record(self, station: Station, *, rng: np.random.Generator, sampling_rate: float) -> Wave:
        """Compute the wave at a station, from just before P to the end of the coda."""
        ray = self._ray_to(station)
        phases = self.region.phases
        arrivals_s = [ray.distance_km / phase.speed_km_s for phase in phases]
        starts = [round((arrival - arrivals_s[0]) * sampling_rate) for arrival in arrivals_s]
        packets = [self._packet(phase, ray, rng=rng, sampling_rate=sampling_rate) for phase in phases]
        length = max(start + part.shape[-1] for start, part in zip(starts, packets, strict=True))
        samples = np.zeros((3, length))
        for start, part in zip(starts, packets, strict=True):
            samples[:, start : start + part.shape[-1]] += part
        scale = COUNTS_PER_M_S * station.amplification
        return Wave(delay_s=arrivals_s[0] - LEAD_S, samples=scale * samples)

    def _ray_to(self, station: Station) -> "_Ray":
        east = station.east_m / 1000 - self.east_km
        north = station.north_m / 1000 - self.north_km
        epicentral = max(float(np.hypot(east, north)), 1e-3)
        return _Ray(
            distance_km=float(np.hypot(epicentral, self.depth_km)),
            along=(east / epicentral, north / epicentral),
            kappa_s=station.kappa_s,
        )

    def _packet(self, phase: Phase, ray: "_Ray", *, rng: np.random.Generator, sampling_rate: float) -> Floats:
        """Draw one phase: noise whose mean energy spectrum is that of the source after its way."""
        moment = 10 ** (1.5 * self.magnitude + 9.05)
        corner = phase.corner * 0.49 * SHEAR_SPEED_M_S * (self.stress_drop_pa / moment) ** (1 / 3)
        envelope = _envelope(phase, ray.distance_km, corner_hz=corner, sampling_rate=sampling_rate)
        scatter = phase.strength * np.exp(rng.normal(0, 0.25))
        to_samples = scatter * _spreading(ray.distance_km) * sampling_rate / np.sqrt(np.sum(envelope**2))
        loss_s = ray.distance_km / (phase.speed_km_s * phase.quality) + ray.kappa_s

        def gain(frequency: Floats) -> Floats:
            source = _source_spectrum(frequency, moment, corner)
            return np.asarray(to_samples * source * np.exp(-np.pi * frequency * loss_s))

        return packet(
            rng,
            envelope,
            gain=gain,
            sampling_rate=sampling_rate,
            polarization=ray.polarization(phase),
            coherence=0.5,
        )


@dataclass(frozen=True)
class _Ray:
    """Hold the way to a station: its length, its direction on the map (east, north), the station's kappa."""

    distance_km: float
    along: tuple[float, float]
    kappa_s: float

    def polarization(self, phase: Phase) -> Floats:
        east, north = self.along
        return np.array(
            [
                phase.along * east - phase.across * north,
                phase.along * north + phase.across * east,
                phase.vertical,
            ]
        )


def _envelope(phase: Phase, distance_km: float, *, corner_hz: float, sampling_rate: float) -> Floats:
    """Give a phase's envelope in time: the lead, the onset and six time constants of decay."""
    decay_s = phase.decay_s[0] + phase.decay_s[1] * distance_km + 0.3 / corner_hz
    shape = rise_and_decay(
        round(6 * decay_s * sampling_rate),
        sampling_rate,
        rise_s=np.array(phase.rise_s),
        decay_s=np.array(decay_s),
    )
    return np.concatenate([np.zeros(round(LEAD_S * sampling_rate)), shape])


def _source_spectrum(frequency: Floats, moment_nm: float, corner_hz: float) -> Floats:
    """Give Brune's velocity spectrum of S at 1 m, in m/s/Hz times m."""
    level = RADIATION_AND_SURFACE * moment_nm / (4 * np.pi * DENSITY * SHEAR_SPEED_M_S**3)
    return np.asarray(level * 2 * np.pi * frequency / (1 + (frequency / corner_hz) ** 2))


def _spreading(distance_km: float) -> float:
    """Give the geometric loss from 1 m: 1/R up to the knee, 1/sqrt(R) of guided waves beyond it."""
    near = min(distance_km, SPREADING_KNEE_KM) * 1000
    return float(np.sqrt(SPREADING_KNEE_KM / max(distance_km, SPREADING_KNEE_KM)) / near)
