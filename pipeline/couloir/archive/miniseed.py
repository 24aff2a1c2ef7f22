"""Read miniSEED 2 and 3 with EarthScope's libmseed, leaving out the records that are damaged."""

import re
from dataclasses import dataclass

import numpy as np
from pymseed import DataEncoding, MiniSEEDError, MS3Record, MS3TraceList, get_error_messages, sourceid2nslc
from pymseed.mstracelist import MS3TraceSeg

from couloir.archive.trace import Trace
from couloir.identifiers import ChannelId

_HEADER = re.compile(rb"[0-9 \0]{6}[DRQM][ \0]|MS\x03")
"""How a record of version 2 (sequence number, quality, reserved byte) or 3 begins."""
_SHORTEST = 40
"""Bytes of the shortest record's header."""
_LONG = 1 << 20
"""Samples of a segment that is decoded with spare room."""
_SPARE = 1 << 15
"""Samples of spare room on each side: half a minute at any rate in use."""
_DAMAGE = (MiniSEEDError, ValueError)
"""What libmseed, and the reading of codes that are none, raise."""


@dataclass(frozen=True)
class Recording:
    """Hold what records gave.

    Attributes
    ----------
    traces : tuple of Trace
        By channel and time; records that follow each other within half a sample make one.
    warnings : tuple of str
        What the reader noted on records that it took.
    damaged : tuple of str
        Why a record, or what lies between two, was left out.
    """

    traces: tuple[Trace, ...]
    warnings: tuple[str, ...]
    damaged: tuple[str, ...]


def is_miniseed(data: bytes) -> bool:
    """Say whether bytes begin with a miniSEED record."""
    return len(data) >= _SHORTEST and _HEADER.match(data) is not None


def holds_miniseed(data: bytes) -> bool:
    """Say whether something that looks like a record's beginning is anywhere in the bytes."""
    return _HEADER.search(data) is not None


def find_header(data: bytes, start: int) -> int:
    """Give the position of the next bytes that look like a record's beginning, else the end."""
    found = _HEADER.search(data, start)
    return found.start() if found else len(data)


def read_miniseed(data: bytes) -> Recording:
    """Read whole records, in any order, of any channels.

    Where one does not decode, each is tried by itself, and the good ones are read.
    """
    traces: list[Trace] = []
    warnings: list[str] = []
    damaged: list[str] = []
    try:
        even = _read(data, traces, warnings) * MS3Record.parse(data).reclen == len(data)
    except _DAMAGE:
        even = False
    if not even:
        traces.clear()
        warnings.clear()
        for alike in _sift(data, damaged):
            _read(alike, traces, warnings)
    return Recording(tuple(traces), tuple(warnings), tuple(damaged))


def _read(data: bytes | memoryview, traces: list[Trace], warnings: list[str]) -> int:
    """Read records that are all sound into `traces`, and give their number."""
    count = 0
    records = MS3TraceList()
    records.add_buffer(data, record_list=True)
    warnings += get_error_messages()
    for series in records:
        channel = ChannelId(*sourceid2nslc(series.sourceid))
        for segment in series:
            count += len(segment.recordlist or ())
            if segment.samplecnt > 0:
                traces.append(_decode(channel, segment))
                warnings += get_error_messages()
    return count


def _decode(channel: ChannelId, segment: MS3TraceSeg) -> Trace:
    """Decode a segment; a long one with spare room around it, so that a day's grid need not be another copy."""
    _, kind = segment.sample_size_type
    if kind != "i" or segment.samplecnt < _LONG:
        samples = segment.create_numpy_array_from_recordlist()
        return Trace(channel, segment.starttime, segment.samprate, samples)
    buffer = np.empty(segment.samplecnt + 2 * _SPARE, np.int32)
    samples = buffer[_SPARE:-_SPARE]
    segment.unpack_recordlist(buffer=samples)
    return Trace(channel, segment.starttime, segment.samprate, samples, buffer)


def _sift(data: bytes, damaged: list[str]) -> list[bytes]:
    """Gather the records that decode, those of one encoding together; note why any other bytes are left out."""
    view, position = memoryview(data), 0
    good: dict[int, list[memoryview]] = {}
    while len(data) - position >= _SHORTEST:
        try:
            encoding, alone = _record_at(view, position)
            if swallows(view[position : position + len(alone)]):
                raise ValueError("a record is said to be longer than it is")
        except _DAMAGE as error:
            damaged.append(" ".join(str(error).split()))
            position = find_header(data, position + 1)
            continue
        good.setdefault(encoding, []).append(alone)
        position += len(alone)
    if any(view[position:]):
        damaged.append(f"{len(data) - position} bytes at the end are no record")
    return [b"".join(records) for records in good.values()]


def _record_at(view: memoryview, position: int) -> tuple[int, memoryview]:
    """Give the encoding and the bytes of the record that begins at a position, if it can be read by itself."""
    record = MS3Record.parse(view[position:])
    encoding = DataEncoding(record.encoding)
    alone = view[position : position + record.reclen]
    if _read(alone, [], []) != 1:
        raise ValueError("a record's length is unknown")
    return encoding, alone


def swallows(record: memoryview) -> bool:
    """Say whether another record begins inside one: its length is wrong."""
    for found in _HEADER.finditer(record, _SHORTEST):
        try:
            _record_at(record, found.start())
        except _DAMAGE:
            continue
        return True
    return False
