"""Fetch objects: whole, or only the records at one end of a miniSEED file; at once what will be read next."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from couloir.archive.decode import Decoded, decode
from couloir.archive.ends import BITE, Ends, Key
from couloir.archive.listing import ArchiveObject
from couloir.archive.miniseed import is_miniseed
from couloir.archive.place import PATIENCE, is_bucket_missing
from couloir.archive.shared import split_band
from couloir.errors import UnreachableError, UnreadableError
from couloir.identifiers import BandId, ChannelId
from couloir.storage import Patience, explain, persist

_AT_ONCE = 9
"""Requests under way at once: three components of a day, and the near ends of both days beside it."""
_SHOWN = 6
_ends = Ends()


@dataclass(frozen=True, slots=True)
class Request:
    """Name the bytes of an object that are fetched in one go.

    Attributes
    ----------
    start, end : int or None
        First byte and the one after the last; None for the whole object.
    size : int
        Bytes that this is by the listing.
    object : tuple of (str, str, int)
        Path, version and size of the object, by the listing.
    """

    path: str
    start: int | None
    end: int | None
    size: int
    object: Key

    @classmethod
    def whole(cls, item: ArchiveObject) -> "Request":
        """Ask for a whole object."""
        return cls(item.path, None, None, item.size, _key(item))

    @classmethod
    def near_end(cls, item: ArchiveObject, bite: int = BITE, *, tail: bool) -> "Request":
        """Ask for as little of one end as is fetched at first: all where the object is shared, or small."""
        if item.shared or item.size <= bite:
            return cls.whole(item)
        start = item.size - bite if tail else 0
        return cls(item.path, start, start + bite, bite, _key(item))


class Fetcher:
    """Fetch and decode objects, counting the bytes and the seconds.

    Of an object that holds many channels the records of one sensor are kept, so that it is fetched once; the bytes
    of any other are let go as soon as they are decoded.

    Parameters
    ----------
    file_system : fsspec.AbstractFileSystem
        Made in this process.
    patience : Patience
        How long one request may keep one waiting.
    """

    def __init__(self, file_system: Any, *, patience: Patience = PATIENCE) -> None:
        self.file_system = file_system
        self.patience = patience
        self.bytes_read = 0
        self.seconds = {"read": 0.0, "decode": 0.0}
        self._held: dict[Request, bytes | UnreachableError] = {}
        self._parts: dict[tuple[str, BandId], tuple[dict[ChannelId, bytes], set[ChannelId]]] = {}

    def fetch_ahead(self, requests: Iterable[Request]) -> None:
        """Fetch several at once, for what is read next; errors are kept too, and raised where it is read."""
        split = {path for path, _ in self._parts}
        self._fetch([each for each in dict.fromkeys(requests) if each.path not in split])

    def _fetch(self, requests: Iterable[Request]) -> None:
        wanted = [each for each in requests if each not in self._held]
        began = time.perf_counter()
        if len(wanted) > 1:
            with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
                fetched = list(pool.map(self._attempt, wanted))
        else:
            fetched = [self._attempt(each) for each in wanted]
        self._held.update(zip(wanted, fetched, strict=True))
        self.seconds["read"] += time.perf_counter() - began
        self.bytes_read += sum(len(data) for data in fetched if isinstance(data, bytes))

    def release(self, requests: Iterable[Request]) -> None:
        """Let go of bytes that were fetched ahead and not read."""
        for each in requests:
            if isinstance(self._held.get(each), bytes):
                del self._held[each]

    @property
    def held_bytes(self) -> int:
        """Bytes that wait to be decoded."""
        return sum(len(data) for data in self._held.values() if isinstance(data, bytes))

    def whole(self, item: ArchiveObject) -> Decoded:
        """Fetch and decode an object, or its part that is of the channel.

        Raises
        ------
        UnreadableError
            When it cannot be decoded, or holds nothing of the channel.
        UnreachableError
            When it cannot be fetched.
        """
        data = self._part(item) if item.shared else self._read(Request.whole(item))
        return self._decode(data, item)

    def head(self, item: ArchiveObject, until_ns: int) -> Decoded:
        """Fetch as little as holds an object's samples before an instant.

        Records need not be in order: where the first do not reach across the instant, all are fetched.
        """
        return self._end(item, until_ns, tail=False)

    def tail(self, item: ArchiveObject, from_ns: int) -> Decoded:
        """Fetch as little as holds an object's samples from an instant on, likewise."""
        return self._end(item, from_ns, tail=True)

    def _end(self, item: ArchiveObject, instant_ns: int, *, tail: bool) -> Decoded:
        part = self._part(item) if item.shared else None
        size = item.size if part is None else len(part)
        bite = BITE
        while bite < size:
            if part is None:
                data = self._read(Request.near_end(item, bite, tail=tail))
            else:
                data = part[-bite:] if tail else part[:bite]
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

    def _part(self, item: ArchiveObject) -> bytes:
        """Give one channel's records of an object that holds many."""
        band = item.channel.band
        if (item.path, band) not in self._parts:
            data = self._read(Request.whole(item))
            began = time.perf_counter()
            self._parts[item.path, band] = split_band(data, band)
            self.seconds["decode"] += time.perf_counter() - began
        parts, there = self._parts[item.path, band]
        if item.channel not in parts:
            missing = str(item.channel) if parts else f"{band}?"
            raise UnreadableError(f"{item.path} holds no records of {missing}; {_tell(there)}")
        return parts[item.channel]

    def _read(self, request: Request) -> bytes:
        self._fetch([request])
        found = self._held[request]
        if isinstance(found, UnreachableError):  # kept: it was tried for long enough
            raise found
        del self._held[request]
        return found

    def _attempt(self, request: Request) -> bytes | UnreachableError:
        if request.start is not None and request.end is not None:
            kept = _ends.get(request.object, request.start, request.end)
            if kept is not None:
                return kept
        try:
            data: bytes = persist(
                self.file_system,
                "cat_file",
                request.path,
                start=request.start,
                end=request.end,
                patience=self.patience,
                size=request.size,
            )
        except Exception as error:  # every file system has errors of its own
            told = explain(error)
            if isinstance(error, FileNotFoundError) and not is_bucket_missing(error):
                told = "it is gone since the archive was listed; run again to list it anew"
            unreachable = UnreachableError(f"{request.path} cannot be fetched: {told}")
            unreachable.__cause__ = error
            return unreachable
        if request.start is None:
            _ends.keep(request.object, data)
        return data

    def _decode(self, data: bytes, item: ArchiveObject) -> Decoded:
        began = time.perf_counter()
        name = f"{item.path} ({item.channel})" if item.shared else item.path
        try:
            return decode(data, item.channel, name=name)
        finally:
            self.seconds["decode"] += time.perf_counter() - began


def _key(item: ArchiveObject) -> Key:
    return item.path, item.version, item.size


def _tell(there: set[ChannelId]) -> str:
    if not there:
        return "nothing in it is miniSEED"
    names = sorted({f"{channel.location or '--'}.{channel.channel}" for channel in there})
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it holds {' '.join(names[:_SHOWN])}{more}"
