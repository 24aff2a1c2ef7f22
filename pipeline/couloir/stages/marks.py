"""Remember what a stage was made from, so that a second run does the work once."""

import hashlib
import json
from typing import Any

from couloir.store.events import COLUMNS
from couloir.store.location import Location
from couloir.store.spectrograms import SpectrogramArchive

_NAME = "complete.json"


def is_current(place: Location, mark: dict[str, Any]) -> bool:
    """Say whether a stage's folder was completed from the same things."""
    text = (place / _NAME).read_text()
    if text is None:
        return False
    try:
        return bool(json.loads(text) == mark)
    except json.JSONDecodeError:
        return False


def clear(place: Location) -> None:
    """Take the mark away before a stage writes anything."""
    (place / _NAME).remove()


def complete(place: Location, mark: dict[str, Any]) -> None:
    """Set the mark after a stage has written everything."""
    (place / _NAME).write_text(json.dumps(mark, indent=1))


def archive_digest(archive: SpectrogramArchive) -> str:
    """Hash which events an archive holds, the same wherever it lies: 16 hex digits."""
    digest = hashlib.sha256(repr((archive.shape, [block.key for block in archive.blocks])).encode())
    for name in COLUMNS:
        digest.update(archive.column(name).tobytes())
    return digest.hexdigest()[:16]
