"""Remember what a stage was made from, so that a second run does the work once."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from couloir.store.events import COLUMNS
from couloir.store.location import Location
from couloir.store.spectrograms import SpectrogramArchive

_NAME = "complete.json"


def is_current(place: Location, mark: dict[str, Any]) -> bool:
    """Say whether a stage's folder was completed from the same things, and still holds all of its files."""
    text = (place / _NAME).read_text()
    if text is None:
        return False
    try:
        held = json.loads(text)
        files = dict(held["files"])
    except (ValueError, KeyError, TypeError):
        return False
    return bool(held.get("made_from") == mark) and all(
        (place / name).size() == size for name, size in files.items()
    )


def clear(place: Location) -> None:
    """Take the mark away before a stage writes anything."""
    (place / _NAME).remove()


def complete(place: Location, mark: dict[str, Any], *, files: Iterable[str]) -> None:
    """Set the mark after a stage has written everything, with the size of each file it wrote."""
    sizes = {name: (place / name).size() for name in files}
    (place / _NAME).write_text(json.dumps({"made_from": mark, "files": sizes}, indent=1))


def archive_digest(archive: SpectrogramArchive) -> str:
    """Hash which events an archive holds, the same wherever it lies: 16 hex digits."""
    digest = hashlib.sha256(repr((archive.shape, [block.key for block in archive.blocks])).encode())
    for name in COLUMNS:
        digest.update(archive.column(name).tobytes())
    return digest.hexdigest()[:16]
