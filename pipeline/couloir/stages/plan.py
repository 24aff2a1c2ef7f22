"""Plan a run: which station-days exist, what is missing, and what they will cost."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import fsspec

from couloir.archive.inventory import Inventory, take_inventory
from couloir.archive.layout import Layout
from couloir.archive.listing import list_objects
from couloir.archive.response import Sensitivity, read_sensitivities
from couloir.config import RunConfig
from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import BandId, StationDay
from couloir.kernels.spectrogram import COMPONENTS
from couloir.stages.settings import detection_rule
from couloir.stages.station_day import REACH_DAYS
from couloir.storage import Patience
from couloir.store.blocks import SHARD

SECONDS_PER_MB = 0.03
"""A MB of Steim2 takes about this long on one core, with the events that noisy data brings (2026), s."""
SECONDS_PER_DAY = 0.3
"""What a station-day costs whatever its size: grids, filter, medians, s."""
_BASE = 250e6
"""Bytes of a worker that has loaded its libraries."""
_WHOLE_DAYS = 4
"""Objects of many channels in memory at once: a day's, those of both days beside it, and one being split."""
_ARRAYS = 6
"""Arrays of four bytes a sample alive at once while a station-day is worked on, besides one for each envelope."""
_WINDOWS_A_DAY = 250
"""Windows that a busy station-day gives: those of a month wait in memory until their block is written."""
_AHEAD = 3
"""Station-days that are fetched while one is worked on."""
_SHARDS = 4
"""How often a shard of spectrograms is in memory while it is written: computed, encoded, compressed, joined."""


@dataclass(frozen=True)
class BandPlan:
    """Hold what exists of one sensor in the period.

    Attributes
    ----------
    days : int
        Station-days chosen.
    size : int
        Bytes.
    incomplete : int
        Station-days without all three components.
    missing : tuple of (date, date)
        Stretches of the period without this sensor: first and last day.
    beside : mapping of BandId to int
        Other sensors of the station that were left out by `archive.band_priority`, and on how many days.
    """

    band: BandId
    components: str
    days: int
    size: int
    incomplete: int
    missing: tuple[tuple[dt.date, dt.date], ...]
    beside: Mapping[BandId, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Hold what a run would do, and what it would cost.

    Attributes
    ----------
    core_seconds : float
        Estimate of the detection's time on one core, s.
    memory_bytes : int
        Estimate of a worker's peak memory.
    unmatched : tuple of str
        Patterns of the selection that match nothing.
    sensitivities : mapping of BandId to tuple of Sensitivity
        From `archive.stationxml`, if given.
    """

    inventory: Inventory
    bands: tuple[BandPlan, ...]
    period_days: int
    core_seconds: float
    memory_bytes: int
    unmatched: tuple[str, ...] = ()
    sensitivities: Mapping[BandId, tuple[Sensitivity, ...]] = field(default_factory=dict)

    @property
    def station_days(self) -> int:
        """Station-days chosen."""
        return len(self.inventory.chosen)

    @property
    def size(self) -> int:
        """Bytes of the chosen station-days."""
        return sum(band.size for band in self.bands)

    @property
    def missing_days(self) -> int:
        """Station-days of the period without any file."""
        return sum((last - first).days + 1 for band in self.bands for first, last in band.missing)


def plan(config: RunConfig) -> Plan:
    """List the archive and choose what will be worked on.

    Raises
    ------
    ArchiveError
        When nothing matches; the text shows the pattern and the nearest names that do exist.
    ConfigError
        When the layout is wrong, or `archive.stationxml` cannot be read.
    """
    archive = config.archive
    patience = Patience.of(archive.patience_s)
    days = archive.days
    beyond = [days[0] - dt.timedelta(days=k) for k in range(REACH_DAYS, 0, -1)]
    beyond += [days[-1] + dt.timedelta(days=k) for k in range(1, REACH_DAYS + 1)]
    listing = list_objects(
        archive.url,
        Layout.named(archive.layout),
        patterns=archive.patterns,
        days=sorted([*days, *beyond]),
        storage_options=archive.storage_options,
        patience=patience,
    )
    objects = listing.objects
    inventory = take_inventory(objects, days=days, band_priority=archive.band_priority, left_out=listing.left_out)
    if not inventory.chosen:
        found = sorted({item.day for item in objects})
        raise ArchiveError(
            f"{archive.url} holds {', '.join(archive.select)} on {found[0]} to {found[-1]}, "
            f"but not from {days[0]} to {days[-1]}: change archive.start and archive.end (exclusive)"
            if found
            else f"{archive.url}: no channel of {', '.join(archive.select)} has a usable orientation "
            f"({'; '.join(inventory.skipped)})"
        )
    memory = _memory(inventory, config)
    _check_settings(config, memory)
    bands = tuple(_band_plans(inventory, days))
    channels = {item.channel for item in objects}
    size = sum(band.size for band in bands)
    return Plan(
        inventory,
        bands,
        len(days),
        core_seconds=SECONDS_PER_MB * size / 1e6 + SECONDS_PER_DAY * len(inventory.chosen),
        memory_bytes=memory,
        unmatched=tuple(str(pattern) for pattern in archive.patterns if not any(map(pattern.matches, channels))),
        sensitivities=_sensitivities(config, {key.band for key in inventory.chosen}, patience),
    )


def _sensitivities(
    config: RunConfig, bands: set[BandId], patience: Patience
) -> dict[BandId, tuple[Sensitivity, ...]]:
    """Read the metadata, and keep what is known of the sensors that were chosen."""
    archive = config.archive
    if archive.stationxml is None:
        return {}
    known: dict[BandId, list[Sensitivity]] = {band: [] for band in bands}
    alike = fsspec.core.split_protocol(archive.stationxml)[0] == fsspec.core.split_protocol(archive.url)[0]
    options = archive.storage_options if alike else {}
    for sensitivity in read_sensitivities(archive.stationxml, options, patience=patience):
        if sensitivity.channel.band in known:
            known[sensitivity.channel.band].append(sensitivity)
    return {band: tuple(held) for band, held in known.items()}


def _band_plans(inventory: Inventory, days: tuple[dt.date, ...]) -> list[BandPlan]:
    held: dict[BandId, list[dt.date]] = defaultdict(list)
    for station_day in inventory.chosen:
        held[station_day.band].append(station_day.day)
    plans = []
    for band, have in sorted(held.items()):
        files = [inventory.files[StationDay(band, day)] for day in have]
        components = "".join(c for c in COMPONENTS if any(c in item.components for item in files))
        incomplete = sum(len(item.components) < len(COMPONENTS) for item in files)
        there = set(have)
        missing = _stretches([day for day in days if day not in there])
        size, beside = sum(item.size for item in files), inventory.beside.get(band, {})
        plans.append(BandPlan(band, components, len(have), size, incomplete, missing, beside))
    return plans


def _check_settings(config: RunConfig, memory: int) -> None:
    """Refuse before anything runs what cannot go well."""
    limit = config.compute.memory_gb * 1e9
    if config.compute.kind in ("local", "slurm") and limit < memory:
        raise ConfigError(
            f"compute.memory_gb ({config.compute.memory_gb:g}) is less than a worker needs for the largest "
            f"station-day, about {memory / 1e9:.1f} GB"
        )
    try:
        detection_rule(config.detect)
    except ValueError as error:
        raise ConfigError(f"detect.band: {error}") from error


def _stretches(days: list[dt.date]) -> tuple[tuple[dt.date, dt.date], ...]:
    stretches: list[tuple[dt.date, dt.date]] = []
    for day in days:
        if stretches and day - stretches[-1][1] == dt.timedelta(days=1):
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    return tuple(stretches)


def _memory(inventory: Inventory, config: RunConfig) -> int:
    """Estimate a worker's peak memory, bytes: it detects while it writes, and a month's windows wait."""
    detect, spectrogram = config.detect, config.spectrogram
    largest = max(inventory.files[key].size for key in inventory.chosen)
    envelopes = len(detect.bands) * (len(COMPONENTS) if detect.envelope == "any" else 1)
    shared = any(item.shared for item in inventory.files[inventory.chosen[0]].objects)
    reading = (_WHOLE_DAYS if shared else 2) * largest
    detecting = reading + (_ARRAYS + envelopes) * 4 * 86_400 * detect.sampling_rate
    writing = _SHARDS * SHARD * 2 * spectrogram.frequencies * spectrogram.times * len(COMPONENTS)
    days = max(map(len, inventory.blocks.values()))
    waiting = days * min(_WINDOWS_A_DAY, detect.max_windows) * 4 * detect.window_samples * len(COMPONENTS)
    ahead = min(config.compute.read_ahead_mb * 1e6, _AHEAD * largest)
    return int(_BASE + detecting + writing + waiting + ahead)
