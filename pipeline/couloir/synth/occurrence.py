"""Decide which sources happen on a day: how many, when, and with which random streams."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from couloir.identifiers import NS_PER_S, day_of_ns, day_start_ns
from couloir.synth.earthquake import Earthquake
from couloir.synth.geometry import Site, Station
from couloir.synth.glitch import Spike, Step
from couloir.synth.machinery import Machinery
from couloir.synth.rockfall import Rockfall
from couloir.synth.spec import SynthSpec
from couloir.synth.streams import stream
from couloir.synth.vehicle import Vehicle
from couloir.synth.wave import Source, Wave

LOCAL_TIME_H = 8
"""Local time of the valley less UTC, h."""

ROUND_THE_CLOCK = (1.0,) * 24
WARM_HOURS = (0.8,) * 9 + (1.4,) * 9 + (0.8,) * 6
TRAFFIC = (1, 0.5, 0.5, 0.5, 1, 3, 6, 10, 10, 6, 5, 5, 6, 5, 5, 6, 9, 10, 8, 5, 4, 3, 2, 1)
WORK = (0.0,) * 8 + (4, 5, 5, 5, 1, 5, 5, 5, 4) + (0.0,) * 7
SATURDAY = 5


@dataclass(frozen=True)
class Habit:
    """Hold how a class of sources happens.

    Parameters
    ----------
    draw
        Makes one source from its random stream and its site.
    scope
        Whether a source is heard by the whole network, by one site or by one station.
    hours
        Relative rate in each hour of the day, local time.
    weekdays_only
        Whether Saturdays and Sundays (local) are free.
    """

    draw: Callable[[np.random.Generator, Site], Source]
    scope: Literal["network", "site", "station"]
    hours: tuple[float, ...] = ROUND_THE_CLOCK
    weekdays_only: bool = False

    def group(self, station: Station) -> int:
        """Give the number of the network, site or station whose sources a station hears."""
        return {"network": 0, "site": station.site, "station": station.index}[self.scope]


HABITS: dict[str, Habit] = {
    "rockfall": Habit(Rockfall.draw, "site", WARM_HOURS),
    "earthquake": Habit(Earthquake.draw_local, "network"),
    "distant": Habit(Earthquake.draw_distant, "network"),
    "vehicle": Habit(Vehicle.draw, "site", TRAFFIC),
    "machinery": Habit(Machinery.draw, "site", WORK, weekdays_only=True),
    "spike": Habit(Spike.draw, "station"),
    "step": Habit(Step.draw, "station"),
}


@dataclass(frozen=True)
class Occurrence:
    """Hold one source that happens: what, when, and how a station hears it.

    Parameters
    ----------
    label
        Its class.
    source_id
        Unique in the archive; says the class, the day and the group of stations.
    origin_ns
        Origin time, ns since the epoch.
    source
        The source itself.
    hear
        Computes the wave at a station.
    """

    label: str
    source_id: str
    origin_ns: int
    source: Source
    hear: Callable[[Station], Wave]


def occurrences(
    spec: SynthSpec, label: str, *, day: dt.date, station: Station, site: Site
) -> Iterator[Occurrence]:
    """Give the sources of a class whose origin time is on a UTC day and that a station may hear.

    The same source has the same identifier and nature whichever station of its group asks.
    """
    habit = HABITS[label]
    group = habit.group(station)
    rng = stream(spec.seed, label, day.toordinal(), group)
    for number, origin_ns in enumerate(_origin_times(rng, habit, spec.rate(label), day)):
        key = (day.toordinal(), group, number)
        source = habit.draw(stream(spec.seed, f"{label} source", *key), site)
        yield Occurrence(
            label=label,
            source_id=f"{label}-{day:%Y%m%d}-{group:03d}-{number:04d}",
            origin_ns=origin_ns,
            source=source,
            hear=partial(_hear, spec, source, f"{label} path", key),
        )


def _hear(spec: SynthSpec, source: Source, purpose: str, key: tuple[int, int, int], station: Station) -> Wave:
    rng = stream(spec.seed, purpose, *key, station.index)
    return source.record(station, rng=rng, sampling_rate=spec.sampling_rate)


def _origin_times(rng: np.random.Generator, habit: Habit, rate: float, day: dt.date) -> list[int]:
    """Draw origin times of a Poisson process whose rate follows the hours of the local day."""
    weights = np.roll(habit.hours, -LOCAL_TIME_H) / np.sum(habit.hours)
    hours = np.repeat(np.arange(24), rng.poisson(rate * weights))
    times = day_start_ns(day) + np.sort((hours + rng.uniform(size=len(hours))) * 3600 * NS_PER_S).astype(int)
    return [int(time) for time in times if not (habit.weekdays_only and _is_weekend(int(time)))]


def _is_weekend(time_ns: int) -> bool:
    return day_of_ns(time_ns + LOCAL_TIME_H * 3600 * NS_PER_S).weekday() >= SATURDAY
