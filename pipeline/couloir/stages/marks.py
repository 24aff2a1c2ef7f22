"""Remember what a stage was made from, so that a second run does the work once."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from couloir.errors import DamagedError
from couloir.store.location import Location
from couloir.store.sealed import Checksum, seal, unseal

COMPLETION = "complete.json"
_COMING = "still to come"
"""Stands among the files of a mark that was set before them; there is never such a file."""


def all_is_well() -> None:
    """Find nothing against writing."""


@dataclass(frozen=True)
class StagePlace(Location):
    """A stage's folder, which knows the checksum of whatever was written to it.

    Attributes
    ----------
    check : callable
        Called before each object is written; what it raises keeps it from being written.
    checksums : dict of str to Checksum
        Of the bytes sent, by path from the folder.
    """

    check: Callable[[], None] = all_is_well
    checksums: dict[str, Checksum] = field(default_factory=dict)
    name: str = ""

    @classmethod
    def of(cls, place: Location, check: Callable[[], None] = all_is_well) -> "StagePlace":
        """Begin a stage's folder."""
        return cls(place.url, place.storage_options, place.patience, check)

    def __truediv__(self, name: str) -> "StagePlace":
        below = super().__truediv__(name)
        path = f"{self.name}/{name}".lstrip("/")
        return StagePlace(below.url, below.storage_options, below.patience, self.check, self.checksums, path)

    def write_bytes(self, data: bytes) -> None:
        """Write a whole object, unless something is against it, and keep its checksum."""
        self.check()
        super().write_bytes(data)
        self.checksums[self.name] = Checksum.of(data)


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


def begin(place: Location, check: Callable[[], None] = all_is_well) -> StagePlace:
    """Take a stage's mark away, and give its folder to write to."""
    check()
    (place / COMPLETION).remove()
    return StagePlace.of(place, check)


def announce(place: Location, mark: dict[str, Any], check: Callable[[], None] = all_is_well) -> StagePlace:
    """Put a stage's mark in the place of another before its files are there, and give its folder to write to.

    Until `complete` sets it again it is current for nobody; if the work is killed it tells what was to come here.
    """
    check()
    coming = {_COMING: asdict(Checksum.of(b""))}
    (place / COMPLETION).write_bytes(seal({"made_from": mark, "files": coming}))
    return StagePlace.of(place, check)


def is_announced(checksums: Mapping[str, Checksum]) -> bool:
    """Say whether the files of a mark, as `read_completion` gives them, were still to come when it was set."""
    return _COMING in checksums


def complete(place: StagePlace, mark: dict[str, Any]) -> None:
    """Set the mark after a stage has written everything, with the checksum of each file it wrote."""
    files = {name: asdict(checksum) for name, checksum in place.checksums.items()}
    (place / COMPLETION).write_bytes(seal({"made_from": mark, "files": files}))


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
