"""Group what an archive holds into station-days, and choose one band of each station."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from couloir.archive.listing import ArchiveObject
from couloir.archive.orientation import ORIENTATIONS as ORIENTATIONS
from couloir.identifiers import BandId, Block, ChannelId, StationDay


@dataclass(frozen=True, slots=True)
class DayFiles:
    """Hold the objects of one station-day.

    Attributes
    ----------
    station_day : StationDay
    objects : tuple of ArchiveObject
        One a channel; some of them may lie in one object of the archive.
    """

    station_day: StationDay
    objects: tuple[ArchiveObject, ...]

    @property
    def size(self) -> int:
        """Bytes of all objects; what several channels share counts once."""
        return sum({item.path: item.size for item in self.objects}.values())

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
        What was left out and why, with the number of objects.
    beside : mapping of BandId to mapping of BandId to int
        By sensor chosen: the station's other sensors that were not, and on how many days.
    """

    files: Mapping[StationDay, DayFiles]
    chosen: tuple[StationDay, ...]
    skipped: Mapping[str, int]
    beside: Mapping[BandId, Mapping[BandId, int]] = field(default_factory=dict)

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
    objects: Iterable[ArchiveObject],
    *,
    days: Sequence[dt.date],
    band_priority: Sequence[str],
    left_out: Mapping[str, int] | None = None,
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
    left_out : mapping of str to int, optional
        What the listing left out.

    Returns
    -------
    Inventory
    """
    skipped: Counter[str] = Counter(left_out or {})
    grouped: dict[BandId, dict[dt.date, list[ArchiveObject]]] = defaultdict(lambda: defaultdict(list))
    undirected: Counter[str] = Counter()
    bands: dict[ChannelId, BandId] = {}
    for item in objects:
        channel = item.channel
        if channel.component not in ORIENTATIONS:
            undirected[channel.component] += 1
            continue
        if (band := bands.get(channel)) is None:
            band = bands[channel] = channel.band
        grouped[band][item.day].append(item)
    if undirected:
        letters = ", ".join(sorted(undirected))
        skipped[f"orientation {letters} is not one of {' '.join(ORIENTATIONS)}"] = undirected.total()
    files = {
        key: DayFiles(key, _one_each(held[key.day], skipped))
        for band, held in sorted(grouped.items())
        for key in (StationDay(band, day) for day in sorted(held))
    }
    chosen, beside = _choose(grouped, set(days), band_priority)
    return Inventory(files, tuple(chosen), dict(skipped), beside)


def _choose(
    grouped: Mapping[BandId, Iterable[dt.date]], period: Container[dt.date], priority: Sequence[str]
) -> tuple[list[StationDay], dict[BandId, dict[BandId, int]]]:
    """Choose one band of each station and day; count the days of the others beside it."""
    stations: dict[tuple[str, str], list[BandId]] = defaultdict(list)
    for band in sorted(grouped, key=lambda band: (_rank(band.band_instrument, priority), band)):
        stations[band.network, band.station].append(band)
    days_of: dict[BandId, list[dt.date]] = defaultdict(list)
    beside: dict[BandId, dict[BandId, int]] = {}
    for ranked in stations.values():
        taken: dict[dt.date, BandId] = {}
        for band in ranked:
            for day in grouped[band]:
                if day not in period:
                    continue
                best = taken.setdefault(day, band)
                if best is band:
                    days_of[band].append(day)
                else:
                    others = beside.setdefault(best, {})
                    others[band] = others.get(band, 0) + 1
    return [StationDay(band, day) for band in sorted(days_of) for day in sorted(days_of[band])], beside


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
