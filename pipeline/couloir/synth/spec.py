"""Say what a synthetic archive holds: its period, stations, classes and rates."""

import datetime as dt
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from couloir.errors import ConfigError

CLASS_RATES: Mapping[str, float] = {
    "rockfall": 65.0,
    "earthquake": 90.0,
    "distant": 13.0,
    "vehicle": 36.0,
    "machinery": 40.0,
    "spike": 10.0,
}
"""Sources a day with activity 1. Rockfalls, vehicles and machinery count for each site of four
stations, earthquakes for the whole network, spikes for each station."""

FAULT_RATES: Mapping[str, float] = {"gap": 2.0, "overlap": 1.5, "step": 1.5}
"""Faults a day on a station of ordinary health."""

ALL_CLASSES: tuple[str, ...] = tuple(CLASS_RATES)
FAULT_CLASSES: tuple[str, ...] = tuple(FAULT_RATES)

MAX_STATIONS = 999
SAMPLING_RATES = (20.0, 1000.0)
BLOCKS_PER_DAY = 48


@dataclass(frozen=True)
class SynthSpec:
    """Describe a synthetic archive.

    Parameters
    ----------
    start
        First UTC day.
    days
        Number of days.
    stations
        Number of stations, 1 to 999. They stand in sites of four along a valley road; four or fewer
        are one site.
    seed
        Seed of everything random. A station-day depends on the seed, the day, the station's number,
        the sampling rate, the classes and their rates; on nothing else.
    sampling_rate
        Sampling rate, Hz; 20 to 1000, a whole number of samples in half an hour.
    activity
        Multiplies the rates of all classes, not those of the faults.
    classes
        Classes of transients to make, from `ALL_CLASSES`.
    faults
        Whether gaps, overlaps and steps are made.
    rates
        Sources a day that replace those of `CLASS_RATES` and `FAULT_RATES`, by class.

    Raises
    ------
    ConfigError
        When a value is out of range or a class is unknown.
    """

    start: dt.date
    days: int
    stations: int = 4
    seed: int = 1
    sampling_rate: float = 100.0
    activity: float = 1.0
    classes: tuple[str, ...] = ALL_CLASSES
    faults: bool = True
    rates: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _check_whole("days", self.days, least=1)
        _check_whole("stations", self.stations, least=1, most=MAX_STATIONS)
        _check_whole("seed", self.seed, least=0)
        _check_sampling_rate(self.sampling_rate)
        _check_rate("activity", self.activity)
        _check_names("classes", self.classes, ALL_CLASSES)
        _check_names("rates", self.rates, ALL_CLASSES + FAULT_CLASSES)
        for name, rate in self.rates.items():
            _check_rate(f"rates[{name!r}]", rate)

    @property
    def calendar(self) -> tuple[dt.date, ...]:
        """Every UTC day of the archive."""
        return tuple(self.start + dt.timedelta(days=i) for i in range(self.days))

    @property
    def samples_per_day(self) -> int:
        """Samples of one channel in a day without gaps."""
        return round(86_400 * self.sampling_rate)

    def rate(self, label: str) -> float:
        """Give the expected sources a day of a class or a fault, 0 where it is switched off."""
        if label in FAULT_RATES:
            return self.rates.get(label, FAULT_RATES[label]) if self.faults else 0.0
        wanted = label in self.classes
        return self.activity * self.rates.get(label, CLASS_RATES[label]) if wanted else 0.0


def _check_whole(name: str, value: int, *, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most and value > most):
        limits = f"{least} to {most}" if most else f"{least} or more"
        raise ConfigError(f"{name}: {value!r} must be a whole number, {limits}")


def _check_rate(name: str, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise ConfigError(f"{name}: {value!r} must be a finite number, 0 or more")


def _check_sampling_rate(value: float) -> None:
    low, high = SAMPLING_RATES
    if not low <= value <= high:
        raise ConfigError(f"sampling_rate: {value!r} Hz must be between {low:g} and {high:g} Hz")
    if not float(value * 86_400 / BLOCKS_PER_DAY).is_integer():
        raise ConfigError(f"sampling_rate: {value!r} Hz must give a whole number of samples in half an hour")


def _check_names(name: str, values: tuple[str, ...] | Mapping[str, float], allowed: tuple[str, ...]) -> None:
    if isinstance(values, str):
        raise ConfigError(f"{name}: {values!r} must be a list of names, like ({values!r},)")
    for value in values:
        if value not in allowed:
            near = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.0)
            raise ConfigError(
                f"{name}: {value!r} is unknown; allowed are {', '.join(allowed)}. Nearest: {near[0]!r}"
            )
