"""Tell what became of a run's station-days, from what its output keeps."""

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TextIO, get_args

from couloir.config import ArchiveConfig, RunConfig
from couloir.errors import ConfigError, MissingStageError, StoreError
from couloir.identifiers import BandId, Block, ChannelId, StationDay
from couloir.stages.settings import output_of
from couloir.store.location import Location
from couloir.store.manifest import blocks_named
from couloir.store.outcomes import FAILURES, Outcome, Status, read_outcomes

STATUSES: tuple[Status, ...] = get_args(Status)
WORST_FIRST: tuple[Status, ...] = (*FAILURES, *(name for name in STATUSES[::-1] if name not in FAILURES))
COLUMNS = (
    "station",
    "day",
    "status",
    "reason",
    "events",
    "dropped",
    "components",
    "valid_s",
    "median",
    "mad",
    "read_bytes",
    "seconds",
    "remarks",
)
_AT_ONCE = 16
"""Files read at a time: from a bucket each is a journey."""


def recorded_outcomes(config: RunConfig) -> list[Outcome]:
    """Read the outcomes of the station-days that a run file asks for, without a look at the archive.

    Parameters
    ----------
    config : RunConfig

    Returns
    -------
    list of Outcome
        By station-day; of those that have one.

    Raises
    ------
    MissingStageError
        When there is none.
    StoreError
        When a file of them is damaged.
    """
    output = output_of(config)
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        found = [
            outcome
            for outcomes in readers.map(lambda block: _read(output, block), blocks_named(output / "outcomes"))
            for outcome in outcomes
            if _asked_for(outcome.station_day, config.archive)
        ]
    if not found:
        raise MissingStageError(
            f"{output / 'outcomes'} holds no outcomes of {config.archive.start} to {config.archive.end}. "
            "Run `couloir detect` first."
        )
    return sorted(found, key=lambda outcome: outcome.station_day)


def archive_path(config: RunConfig) -> str:
    """Give what the paths of the archive's objects begin with, as reasons name them."""
    _, path = Location(config.archive.url, config.archive.storage_options).file_system()
    return f"{path}/"


def choose(outcomes: Sequence[Outcome], *, statuses: str | None = None, everything: bool = False) -> list[Outcome]:
    """Choose outcomes by their status, failures first; those that are not ok where nothing else is asked for.

    Parameters
    ----------
    outcomes : sequence of Outcome
    statuses : str, optional
        Names with commas between.
    everything : bool
        Those that are ok, too.

    Raises
    ------
    ConfigError
        When a status is none.
    """
    wanted: Collection[str] = STATUSES if everything else [name for name in STATUSES if name != "ok"]
    if statuses is not None:
        wanted = [name.strip() for name in statuses.split(",")]
        if unknown := [name for name in wanted if name not in STATUSES]:
            raise ConfigError(f"--status {statuses}: {unknown[0]!r} is none of {', '.join(STATUSES)}")
    kept = [outcome for outcome in outcomes if outcome.status in wanted]
    return sorted(kept, key=lambda outcome: (WORST_FIRST.index(outcome.status), outcome.station_day))


def count_up(outcomes: Sequence[Outcome]) -> str:
    """Say how many station-days came to what, and what it means where nothing came of any."""
    counts = Counter(outcome.status for outcome in outcomes)
    events = sum(outcome.events for outcome in outcomes)
    told = ", ".join(f"{number:,} {status}" for status, number in counts.most_common())
    days = f"{len(outcomes):,} station-day{'' if len(outcomes) == 1 else 's'}"
    text = f"{days}: {told}; {events:,} events"
    if events or not outcomes:
        return text
    why = "all of them are quiet" if counts["ok"] == len(outcomes) else "see `couloir outcomes` for why"
    return f"{text}\nNo station-day gave an event, so there is nothing to train on: {why}."


def as_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Give outcomes as plain values by column."""
    rows = []
    for outcome in outcomes:
        key = outcome.station_day
        named = asdict(outcome) | {"station": str(key.band), "day": key.day.isoformat()}
        rows.append({name: named[name] for name in COLUMNS})
    return rows


def write_csv(outcomes: Sequence[Outcome], to: TextIO) -> None:
    """Write outcomes as CSV, seconds added up and remarks with bars between."""
    writer = csv.DictWriter(to, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in as_rows(outcomes):
        seconds, remarks = sum(row["seconds"].values()), " | ".join(row["remarks"])
        writer.writerow(row | {"seconds": f"{seconds:.3f}", "remarks": remarks})


def write_json(outcomes: Sequence[Outcome], to: TextIO) -> None:
    """Write outcomes as a JSON array of objects."""
    json.dump(as_rows(outcomes), to, indent=1)
    to.write("\n")


def _read(output: Location, block: Block) -> list[Outcome]:
    try:
        return read_outcomes(output, [block])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{output / 'outcomes' / block.key}.json is damaged: {error}. Remove it and its block of "
            "spectrograms.zarr, and run `couloir detect` again."
        ) from error


def _asked_for(key: StationDay, archive: ArchiveConfig) -> bool:
    """Say whether a run file asks for a station-day: an output may hold those of wider ones."""
    if not archive.start <= key.day < archive.end:
        return False
    return any(pattern.matches(channel) for pattern in archive.patterns for channel in _channels(key.band))


def _channels(band: BandId) -> Iterator[ChannelId]:
    for component in "ENZ123":
        yield ChannelId(band.network, band.station, band.location, f"{band.band_instrument}{component}")
