"""Keep what an output should hold: its blocks, and the checksum of every object of each."""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from couloir.errors import DamagedError
from couloir.identifiers import Block, StationDay
from couloir.store.location import Location
from couloir.store.sealed import Checksum, seal, unseal

MANIFESTS = "checksums"
INDEX = "index.json"


def write_manifest(output: Location, block: Block, checksums: Mapping[str, Checksum]) -> None:
    """Write the checksums of a block's objects, by path from the output."""
    document = {"objects": {path: asdict(checksum) for path, checksum in checksums.items()}}
    _place(output, block).write_bytes(seal(document))


def read_manifest(output: Location, block: Block) -> dict[str, Checksum] | None:
    """Read the checksums of a block's objects, or None when there are none.

    Raises
    ------
    DamagedError
        When the manifest itself has changed.
    """
    data = _place(output, block).read_bytes()
    if data is None:
        return None
    try:
        return {path: Checksum(**held) for path, held in unseal(data)["objects"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{_place(output, block)} is damaged: {error}") from error


def kept_blocks(output: Location) -> list[Block]:
    """List the blocks that have checksums: all that were ever completed in this output."""
    return blocks_named(output / MANIFESTS)


def blocks_named(place: Location) -> list[Block]:
    """List the blocks that have a JSON object of their own below a place; other objects are passed over."""
    blocks = []
    for name in place.walk():
        with suppress(ValueError):
            blocks.append(Block.parse(name.removesuffix(".json")))
    return sorted(blocks)


def write_index(output: Location, blocks: Mapping[Block, Sequence[StationDay]]) -> None:
    """Write which blocks a run is to make, and of which days: the output alone then tells what it lacks."""
    document = {"blocks": {block.key: [day.day.isoformat() for day in days] for block, days in blocks.items()}}
    data = seal(document)
    if (output / INDEX).read_bytes() != data:
        (output / INDEX).write_bytes(data)


def read_index(output: Location) -> dict[Block, list[StationDay]] | None:
    """Read which blocks the latest run was to make; None before the first.

    Raises
    ------
    DamagedError
        When it is not as it was written.
    """
    data = (output / INDEX).read_bytes()
    if data is None:
        return None
    try:
        held = {Block.parse(key): days for key, days in unseal(data)["blocks"].items()}
        return {
            block: [StationDay(block.band, dt.date.fromisoformat(day)) for day in days]
            for block, days in held.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{output / INDEX} is damaged: {error}") from error


def _place(output: Location, block: Block) -> Location:
    return output / MANIFESTS / f"{block.key}.json"
