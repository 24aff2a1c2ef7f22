"""Read miniSEED 2 and 3 with EarthScope's libmseed, leaving out the records that are damaged."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from pymseed import DataEncoding, MiniSEEDError, MS3Record, MS3TraceList, get_error_messages, sourceid2nslc
from pymseed.mstracelist import MS3TraceSeg

from couloir.archive.limits import LIMIT_S, Deadline
from couloir.archive.trace import Trace
from couloir.errors import UnreadableError
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
_CHUNK = 1 << 18
"""Bytes read between two looks at the clock."""
_SAMPLES_PER_BYTE = 2
"""No encoding packs more samples: Steim 2 holds 105 in 64 bytes. A header that says so would fill the memory."""
_CHECKSUM = "integrity"
"""Stands in what libmseed says of a record whose last sample is not the one that its writer noted."""
_ASKED = 16
"""Records that are asked whether all of a file fail their checksum: some writers never note it right."""
_MOST_TEXTS = 50


@dataclass(frozen=True)
class Recording:
    """Hold what records gave.

    Attributes
    ----------
    traces : tuple of Trace
        By channel and time; records that follow each other within half a sample make one.
    warnings : tuple of str
        What the reader noted on records that it took, each text once.
    damaged : tuple of str
        Why records, or what lies between two, were left out, each text once.
    left_out : int
        How many they are.
    """

    traces: tuple[Trace, ...]
    warnings: tuple[str, ...]
    damaged: tuple[str, ...]
    left_out: int = 0


@dataclass
class _Notes:
    """Count what is said of records, and keep the first few texts: a file may have a million of them."""

    texts: dict[str, None] = field(default_factory=dict)
    count: int = 0

    def add(self, text: str, times: int = 1) -> None:
        self.count += times
        if len(self.texts) < _MOST_TEXTS:
            self.texts[" ".join(text.split())] = None


@dataclass(frozen=True)
class _Reading:
    """Hold what is read of one file, and until when that may last."""

    deadline: Deadline
    traces: list[Trace] = field(default_factory=list)
    warnings: _Notes = field(default_factory=_Notes)

    def fresh(self) -> "_Reading":
        return _Reading(self.deadline)


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


def read_miniseed(data: bytes, *, limit_s: float = LIMIT_S) -> Recording:
    """Read whole records, in any order, of any channels.

    Where one does not decode, each is tried by itself, and the good ones are read. A record whose samples fail
    its own checksum is none of these, unless most of the file's records fail it: then it is their writer's way.

    Parameters
    ----------
    data : bytes
    limit_s : float
        How long this may take, s of computing.

    Raises
    ------
    UnreadableError
        When it takes longer.
    """
    reading, damaged = _Reading(Deadline(limit_s)), _Notes()
    try:
        if not _read_evenly(data, reading):
            reading = reading.fresh()
            for alike in _sift(data, reading, damaged):
                _read(alike, reading)
    except TimeoutError as error:
        raise UnreadableError(str(error)) from error
    return Recording(tuple(reading.traces), tuple(reading.warnings.texts), tuple(damaged.texts), damaged.count)


def _read_evenly(data: bytes, reading: _Reading) -> bool:
    """Read records that are all sound and of the first one's length; give False where they are not."""
    view = memoryview(data)
    try:
        length = MS3Record.parse(data).reclen
        step = max(_CHUNK // length, 1) * length
        chunks = (view[first : first + step] for first in range(0, len(view), step))
        if _read(chunks, reading) * length != len(data):
            return False
        return not _fails_checksum(reading) or _all_fail(view, length, reading)
    except _DAMAGE:
        return False


def _all_fail(view: memoryview, length: int, reading: _Reading) -> bool:
    """Say whether of some records, from all over the file, most fail their checksum."""
    starts = range(0, len(view), max(len(view) // length // _ASKED, 1) * length)
    return 2 * sum(_fails_alone(view[first : first + length], reading) for first in starts) > len(starts)


def _fails_alone(record: memoryview, reading: _Reading) -> bool:
    alone = reading.fresh()
    _read([record], alone)
    return _fails_checksum(alone)


def _fails_checksum(reading: _Reading) -> bool:
    return any(_CHECKSUM in text for text in reading.warnings.texts)


def _read(chunks: Iterable[bytes | memoryview], reading: _Reading) -> int:
    """Read records that are all sound, so many whole ones at a time, and give their number."""
    count = size = 0
    records = MS3TraceList()
    for chunk in chunks:
        records.add_buffer(chunk, record_list=True)
        size += len(chunk)
        _note(reading)
    for series in records:
        channel = ChannelId(*sourceid2nslc(series.sourceid))
        for segment in series:
            count += len(segment.recordlist or ())
            if segment.samplecnt > _SAMPLES_PER_BYTE * size:
                raise ValueError(f"{segment.samplecnt} samples are said to be in {size} bytes")
            if segment.samplecnt > 0:
                reading.traces.append(_decode(channel, segment))
            _note(reading)
    return count


def _note(reading: _Reading) -> None:
    for text in get_error_messages():
        reading.warnings.add(text)
    reading.deadline.check()


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


def _sift(data: bytes, reading: _Reading, damaged: _Notes) -> Iterator[Iterable[bytes]]:
    """Gather the records that decode, those of one encoding together; note why any other bytes are left out."""
    view, position = memoryview(data), 0
    good: dict[int, list[memoryview]] = {}
    doubtful: dict[int, list[memoryview]] = {}
    while len(data) - position >= _SHORTEST:
        alone = reading.fresh()
        try:
            encoding, record = _record_at(view, position, alone)
            if swallows(record, reading.deadline):
                raise ValueError("a record is said to be longer than it is")
        except _DAMAGE as error:
            damaged.add(str(error))
            position = find_header(data, position + 1)
            reading.deadline.check()
            continue
        kept = doubtful if _fails_checksum(alone) else good
        kept.setdefault(encoding, []).append(record)
        position += len(record)
    if any(view[position:]):
        damaged.add(f"{len(data) - position} bytes at the end are no record")
    return _joined(good, doubtful, damaged)


def _joined(
    good: dict[int, list[memoryview]], doubtful: dict[int, list[memoryview]], damaged: _Notes
) -> Iterator[Iterable[bytes]]:
    """Give the good records, and the doubtful ones where these are most."""
    numbers = [sum(map(len, kept.values())) for kept in (good, doubtful)]
    if numbers[1] > numbers[0]:
        for encoding, records in doubtful.items():
            good.setdefault(encoding, []).extend(records)
    elif numbers[1]:
        damaged.add(f"samples fail the record's own checksum (data {_CHECKSUM} check)", numbers[1])
    return (_in_chunks(records) for records in good.values())


def _in_chunks(records: list[memoryview]) -> Iterator[bytes]:
    some = max(_CHUNK // max(map(len, records)), 1)
    return (b"".join(records[first : first + some]) for first in range(0, len(records), some))


def _record_at(view: memoryview, position: int, alone: _Reading) -> tuple[int, memoryview]:
    """Give the encoding and the bytes of the record that begins at a position, if it can be read by itself."""
    record = MS3Record.parse(view[position:])
    encoding = DataEncoding(record.encoding)
    bytes_ = view[position : position + record.reclen]
    if _read([bytes_], alone) != 1:
        raise ValueError("a record's length is unknown")
    return encoding, bytes_


def swallows(record: memoryview, deadline: Deadline) -> bool:
    """Say whether another record begins inside one: its length is wrong.

    Raises
    ------
    TimeoutError
        When the deadline is over.
    """
    for found in _HEADER.finditer(record, _SHORTEST):
        deadline.check()
        try:
            _record_at(record, found.start(), _Reading(deadline))
        except _DAMAGE:
            continue
        return True
    return False
