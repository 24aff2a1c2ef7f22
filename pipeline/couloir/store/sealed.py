"""Keep small JSON documents that tell of themselves whether a byte of them has changed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_SEAL = "sha256"


@dataclass(frozen=True)
class Checksum:
    """Hold what an object's bytes must come to.

    Attributes
    ----------
    size : int
        Bytes.
    sha256 : str
        64 hex digits.
    """

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes | memoryview) -> Self:
        """Sum up bytes."""
        return cls(len(data), hashlib.sha256(data).hexdigest())

    def differs(self, data: bytes | None) -> str:
        """Say in a few words how bytes differ from those summed up; nothing when they do not."""
        if data is None:
            return "is gone"
        if len(data) != self.size:
            return f"has {len(data):,} bytes, {self.size:,} were written"
        return "" if Checksum.of(data) == self else "holds other bytes than were written"


def seal(document: Mapping[str, Any]) -> bytes:
    """Write a document as JSON, with the checksum of its content in it."""
    return _write({**document, _SEAL: hashlib.sha256(_write(document)).hexdigest()})


def unseal(data: bytes) -> dict[str, Any]:
    """Read a sealed document.

    Raises
    ------
    ValueError
        When any byte of it is not as it was written.
    """
    document = json.loads(data)
    if not isinstance(document, dict) or _SEAL not in document:
        raise ValueError("it carries no checksum")
    content = {name: value for name, value in document.items() if name != _SEAL}
    if seal(content) != data:
        raise ValueError("it does not agree with its own checksum")
    return content


def _write(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
