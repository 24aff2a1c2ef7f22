"""Group what an archive holds into station-days, and choose one band of each station."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from couloir.archive.listing import ArchiveObject
from couloir.identifiers import BandId, Block, StationDay

ORIENTATIONS = {"E": "E", "N": "N", "Z": "Z", "1": "N", "2": "E", "3": "Z"}
"""SEED orientation codes and the component each is used as; 1, 2 and 3 need not point anywhere exactly."""


@dataclass(frozen=True, slots=True)
class DayFiles:
    """Hold the objects of one station-day.

    Attributes
    ----------
    station_day : StationDay
    objects : tuple of ArchiveObject
        One a channel.
    """

    station_day: StationDay
    objects: tuple[ArchiveObject, ...]

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(item.size for item in self.objects)

    @property
    def components(self) -> str:
        """Components there are, out of ENZ."""
        held = {ORIENTATIONS[item.channel.component] for item in self.objects}
        return "".join(component for component in "ENZ" if component in held)


@dataclass(frozen=True)
class Inventory:
    """Hold every station-day that exists, and those chosen to be worked on.

    Attributes
    ----------
    files : mapping of StationDay to DayFiles
        All that exist, the days just outside the period included: windows reach into them.
    chosen : tuple of StationDay
        One band of a station and day, inside the period, in order.
    skipped : mapping of str to int
        What was left out and why, with the number of station-days or objects.
    """

    files: Mapping[StationDay, DayFiles]
    chosen: tuple[StationDay, ...]
    skipped: Mapping[str, int]

    def around(self, station_day: StationDay, *, reach: int) -> dict[dt.date, DayFiles]:
        """Give the files of a sensor's days up to `reach` days away, as far as they exist."""
        days = (station_day.day + dt.timedelta(days=k) for k in range(-reach, reach + 1))
        near = ((day, self.files.get(StationDay(station_day.band, day))) for day in days)
        return {day: files for day, files in near if files is not None}

    def chosen_around(self, station_day: StationDay, *, reach: int) -> list[dt.date]:
        """List the days up to `reach` days away on which the same sensor was chosen, itself included."""
        days = (station_day.day + dt.timedelta(days=k) for k in range(-reach, reach + 1))
        return [day for day in days if StationDay(station_day.band, day) in self._chosen]

    @cached_property
    def _chosen(self) -> frozenset[StationDay]:
        return frozenset(self.chosen)

    @cached_property
    def blocks(self) -> dict[Block, list[StationDay]]:
        """The chosen station-days by the block that stores them."""
        blocks: dict[Block, list[StationDay]] = defaultdict(list)
        for station_day in self.chosen:
            blocks[station_day.block].append(station_day)
        return dict(blocks)


def take_inventory(
    objects: Iterable[ArchiveObject], *, days: Sequence[dt.date], band_priority: Sequence[str]
) -> Inventory:
    """Group objects into station-days and choose one band of each station and day.

    Where a station has several bands or locations on one day, the band that stands first in `band_priority` is
    taken, bands not listed come last in alphabetical order, and among equal bands the location first in order.

    Parameters
    ----------
    objects : iterable of ArchiveObject
    days : sequence of date
        The period; station-days outside it are kept as neighbours only.
    band_priority : sequence of str
        Band and instrument codes.

    Returns
    -------
    Inventory
    """
    skipped: Counter[str] = Counter()
    grouped: dict[StationDay, list[ArchiveObject]] = defaultdict(list)
    for item in objects:
        if item.channel.component in ORIENTATIONS:
            grouped[StationDay(item.channel.band, item.day)].append(item)
        else:
            skipped[f"orientation {item.channel.component} is not one of {' '.join(ORIENTATIONS)}"] += 1
    files = {key: DayFiles(key, _one_each(grouped[key], skipped)) for key in sorted(grouped)}

    period = set(days)
    candidates: dict[tuple[str, str, dt.date], list[BandId]] = defaultdict(list)
    for key in files:
        if key.day in period:
            candidates[key.band.network, key.band.station, key.day].append(key.band)
    chosen = []
    for (_, _, day), bands in candidates.items():
        bands.sort(key=lambda band: (_rank(band.band_instrument, band_priority), band))
        chosen.append(StationDay(bands[0], day))
        for other in bands[1:]:
            skipped[f"{other} beside {bands[0]} (archive.band_priority)"] += 1
    return Inventory(files, tuple(sorted(chosen)), dict(skipped))


def _one_each(items: Iterable[ArchiveObject], skipped: Counter[str]) -> tuple[ArchiveObject, ...]:
    """Keep one channel for each component; a named orientation goes before a numbered one."""
    kept: dict[str, ArchiveObject] = {}
    for item in sorted(items, key=lambda item: (item.channel.component.isdigit(), item.channel)):
        component = ORIENTATIONS[item.channel.component]
        if component in kept:
            skipped[f"{item.channel} beside {kept[component].channel}"] += 1
        else:
            kept[component] = item
    return tuple(kept[component] for component in "ENZ" if component in kept)


def _rank(band_instrument: str, priority: Sequence[str]) -> int:
    return priority.index(band_instrument) if band_instrument in priority else len(priority)
