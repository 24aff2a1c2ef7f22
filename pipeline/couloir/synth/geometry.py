"""Place the stations, the road, the slope and the work site of a synthetic valley."""

from dataclasses import dataclass

import numpy as np

from couloir.identifiers import BandId
from couloir.synth.streams import stream

NETWORK = "XX"
LOCATION = "00"
BAND_INSTRUMENT = "EH"
COMPONENTS = ("E", "N", "Z")
SITE_STATIONS = 4
SITE_SPACING_M = 8_000.0
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))

HEALTH = (0.0, 0.5, 1.0, 3.0)
"""How much more often than an ordinary station a station has gaps and overlaps."""


@dataclass(frozen=True)
class Station:
    """Hold what a station's record depends on.

    Parameters
    ----------
    index
        Number in the network, from 0.
    x_m, y_m
        Place in the site: along the road and up the slope from it, m.
    east_m, north_m
        Place in the network, m.
    amplification
        Factor of the ground under the station on every incoming wave.
    kappa_s
        Attenuation near the surface, exp(-pi f kappa), s.
    noise_level
        Factor on the network's noise model.
    fault_factor
        Factor on the rates of gaps and overlaps.
    """

    index: int
    x_m: float
    y_m: float
    east_m: float
    north_m: float
    amplification: float
    kappa_s: float
    noise_level: float
    fault_factor: float

    @property
    def site(self) -> int:
        """The site's number, from 0."""
        return self.index // SITE_STATIONS

    @property
    def band(self) -> BandId:
        """The identifier of the station's three channels."""
        return BandId(NETWORK, f"CL{self.index + 1:02d}", LOCATION, BAND_INSTRUMENT)


@dataclass(frozen=True)
class Site:
    """Hold the places of a valley's sources, in m along the road (x) and up the slope (y).

    Parameters
    ----------
    stations
        The site's four stations; an archive may use fewer.
    cliff_x_m, cliff_y_m
        Middle of the area where rocks break off.
    work_x_m, work_y_m
        Where machines work.
    road_m
        The two ends of the stretch of road.
    """

    stations: tuple[Station, ...]
    cliff_x_m: float
    cliff_y_m: float
    work_x_m: float
    work_y_m: float
    road_m: tuple[float, float]


def make_site(seed: int, number: int) -> Site:
    """Lay out a site: four stations 350 to 1500 m apart, a cliff above two of them, work beside one."""
    rng = stream(seed, "site", number)
    x = np.concatenate([[0.0], np.cumsum(rng.uniform(350, 1500, SITE_STATIONS - 1))])
    y = rng.uniform(20, 110, SITE_STATIONS)
    bearing = rng.uniform(0, 2 * np.pi)
    radius, angle = SITE_SPACING_M * np.sqrt(number), number * GOLDEN_ANGLE
    east = radius * np.sin(angle) + x * np.sin(bearing) - y * np.cos(bearing)
    north = radius * np.cos(angle) + x * np.cos(bearing) + y * np.sin(bearing)
    stations = tuple(
        _make_station(seed, number * SITE_STATIONS + i, place)
        for i, place in enumerate(zip(x, y, east, north, strict=True))
    )
    return Site(
        stations=stations,
        cliff_x_m=float(rng.uniform(x[1], x[2])),
        cliff_y_m=float(rng.uniform(250, 450)),
        work_x_m=float(x[2] + rng.uniform(-250, 250)),
        work_y_m=float(rng.uniform(-250, -80)),
        road_m=(float(x[0]) - 1000, float(x[-1]) + 1000),
    )


def _make_station(seed: int, index: int, place: tuple[float, float, float, float]) -> Station:
    rng = stream(seed, "station", index)
    x, y, east, north = (float(value) for value in place)
    return Station(
        index=index,
        x_m=x,
        y_m=y,
        east_m=east,
        north_m=north,
        amplification=float(np.exp(rng.normal(0, 0.3))),
        kappa_s=float(rng.uniform(0.010, 0.028)),
        noise_level=float(np.exp(rng.normal(0, 0.3))),
        fault_factor=float(rng.choice(HEALTH)),
    )
