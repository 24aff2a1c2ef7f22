"""Remember what a stage was made from, so that a second run does the work once."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from couloir.errors import DamagedError, StoreError
from couloir.store.location import Location
from couloir.store.sealed import Checksum, seal, unseal

COMPLETION = "complete.json"


def is_current(place: Location, mark: dict[str, Any]) -> bool:
    """Say whether a stage's folder was completed from the same things, and still holds all of its files."""
    try:
        held = read_completion(place)
    except DamagedError:
        return False
    return (
        held is not None
        and held[0] == mark
        and all((place / name).size() == checksum.size for name, checksum in held[1].items())
    )


def clear(place: Location) -> None:
    """Take the mark away before a stage writes anything."""
    (place / COMPLETION).remove()


def complete(place: Location, mark: dict[str, Any], *, files: Iterable[str]) -> None:
    """Set the mark after a stage has written everything, with the checksum of each file it wrote."""
    checksums = {}
    for name in files:
        data = (place / name).read_bytes()
        if data is None:
            raise StoreError(f"{place / name} has vanished while {place} was written. Run again.")
        checksums[name] = asdict(Checksum.of(data))
    (place / COMPLETION).write_bytes(seal({"made_from": mark, "files": checksums}))


def read_completion(place: Location) -> tuple[dict[str, Any], dict[str, Checksum]] | None:
    """Read what a stage's folder was made from, and the checksums of its files; None when it is not complete.

    Raises
    ------
    DamagedError
        When the mark is not as it was written.
    """
    data = (place / COMPLETION).read_bytes()
    if data is None:
        return None
    try:
        held = unseal(data)
        return dict(held["made_from"]), {name: Checksum(**sums) for name, sums in held["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{place / COMPLETION} is damaged: {error}") from error
