"""Fetch objects: whole, or only the records at one end of a miniSEED file."""

import time
from typing import Any

from couloir.archive.decode import Decoded, decode
from couloir.archive.listing import ArchiveObject
from couloir.archive.miniseed import is_miniseed
from couloir.errors import UnreachableError, UnreadableError

_FIRST_BITE = 32 * 1024
"""Bytes fetched first from one end: some minutes of 100 Hz. A multiple of every common record length."""


class Fetcher:
    """Fetch and decode objects, counting the bytes and the seconds.

    Parameters
    ----------
    file_system : fsspec.AbstractFileSystem
        Made in this process.
    """

    def __init__(self, file_system: Any) -> None:
        self.file_system = file_system
        self.bytes_read = 0
        self.seconds = {"read": 0.0, "decode": 0.0}

    def whole(self, item: ArchiveObject) -> Decoded:
        """Fetch and decode an object.

        Raises
        ------
        UnreadableError
            When it cannot be decoded.
        UnreachableError
            When it cannot be fetched.
        """
        return self._decode(self._read(item, None, None), item)

    def head(self, item: ArchiveObject, until_ns: int) -> Decoded:
        """Fetch as little as holds an object's samples before an instant.

        Records need not be in order: where the first do not reach across the instant, all are fetched.
        """
        return self._end(item, until_ns, tail=False)

    def tail(self, item: ArchiveObject, from_ns: int) -> Decoded:
        """Fetch as little as holds an object's samples from an instant on, likewise."""
        return self._end(item, from_ns, tail=True)

    def _end(self, item: ArchiveObject, instant_ns: int, *, tail: bool) -> Decoded:
        bite = _FIRST_BITE
        while bite < item.size:
            data = self._read(item, item.size - bite, item.size) if tail else self._read(item, 0, bite)
            if not is_miniseed(data):
                break
            try:
                decoded = self._decode(data, item)
            except UnreadableError:
                break
            if any(trace.start_ns <= instant_ns < trace.end_ns for trace in decoded.traces):
                return decoded
            bite *= 8
        return self.whole(item)

    def _read(self, item: ArchiveObject, start: int | None, end: int | None) -> bytes:
        began = time.perf_counter()
        try:
            data: bytes = self.file_system.cat_file(item.path, start=start, end=end)
        except Exception as error:  # every file system has errors of its own
            raise UnreachableError(f"{item.path} cannot be fetched: {error}") from error
        self.bytes_read += len(data)
        self.seconds["read"] += time.perf_counter() - began
        return data

    def _decode(self, data: bytes, item: ArchiveObject) -> Decoded:
        began = time.perf_counter()
        try:
            return decode(data, item.channel, name=item.path)
        finally:
            self.seconds["decode"] += time.perf_counter() - began
