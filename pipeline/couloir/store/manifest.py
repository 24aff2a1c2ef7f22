"""Keep the checksum of every object of a block, to find out later whether one has changed."""

from collections.abc import Mapping
from dataclasses import asdict

from couloir.errors import StoreError
from couloir.identifiers import Block
from couloir.store.location import Location
from couloir.store.sealed import Checksum, seal, unseal

MANIFESTS = "checksums"


def write_manifest(output: Location, block: Block, checksums: Mapping[str, Checksum]) -> None:
    """Write the checksums of a block's objects, by path from the output."""
    document = {"objects": {path: asdict(checksum) for path, checksum in checksums.items()}}
    _place(output, block).write_bytes(seal(document))


def read_manifest(output: Location, block: Block) -> dict[str, Checksum] | None:
    """Read the checksums of a block's objects, or None when there are none.

    Raises
    ------
    StoreError
        When the manifest itself has changed.
    """
    data = _place(output, block).read_bytes()
    if data is None:
        return None
    try:
        return {path: Checksum(**held) for path, held in unseal(data)["objects"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{_place(output, block)} is damaged: {error}") from error


def _place(output: Location, block: Block) -> Location:
    return output / MANIFESTS / f"{block.key}.json"
