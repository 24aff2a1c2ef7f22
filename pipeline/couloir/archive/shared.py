"""Tell apart the records of an object that holds many channels, without decoding their samples."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pymseed import MiniSEEDError, MS3Record, sourceid2nslc

from couloir.archive.limits import LIMIT_S, Deadline
from couloir.archive.miniseed import find_header, swallows
from couloir.errors import UnreadableError
from couloir.identifiers import BandId, ChannelId

_CODES = slice(8, 20)
"""Where a miniSEED 2 record keeps station, location, channel and network: 5, 2, 3 and 2 letters."""
_QUALITIES = np.frombuffer(b"DRQM", np.uint8)
_DIGITS = np.frombuffer(b"0123456789 \0", np.uint8)
_DAMAGE = (MiniSEEDError, ValueError)


def channels_in(data: bytes) -> set[ChannelId]:
    """List the channels that records in some bytes say they are of.

    Raises
    ------
    UnreadableError
        When that takes too long.
    """
    return {channel for channel, _, _ in _runs(data)}


def split_band(data: bytes, band: BandId) -> tuple[dict[ChannelId, bytes], set[ChannelId]]:
    """Take the records of one sensor out of an object, as if its channels had objects of their own.

    Parameters
    ----------
    data : bytes
        A whole object, its records in any order.
    band : BandId

    Returns
    -------
    parts : dict of ChannelId to bytes
        The sensor's records by channel, in the object's order. Damage whose beginning names a channel is kept
        with it, for the decoder to tell.
    there : set of ChannelId
        All channels that are there.

    Raises
    ------
    UnreadableError
        When that takes too long.
    """
    view = memoryview(data)
    parts: dict[ChannelId, list[memoryview]] = {}
    there: set[ChannelId] = set()
    for channel, start, end in _runs(data):
        there.add(channel)
        if channel.band == band:
            parts.setdefault(channel, []).append(view[start:end])
    return {channel: b"".join(held) for channel, held in parts.items()}, there


def _runs(data: bytes) -> Iterable[tuple[ChannelId, int, int]]:
    """Give stretches of records of one channel: first byte and the one after the last."""
    alike = _records_alike(data)
    if alike is not None:
        return _alike_runs(alike)
    try:
        return list(_scan(data))
    except TimeoutError as error:
        raise UnreadableError(str(error)) from error


def _records_alike(data: bytes) -> NDArray[np.uint8] | None:
    """Give miniSEED 2 records as rows, if all are of one length and begin as records do."""
    try:
        first = MS3Record.parse(data)
        length, version = first.reclen, first.formatversion
    except _DAMAGE:
        return None
    if version != 2 or len(data) % length:
        return None
    rows = np.frombuffer(data, np.uint8).reshape(-1, length)
    sound = np.isin(rows[:, :6], _DIGITS).all() and np.isin(rows[:, 6], _QUALITIES).all()
    return rows if sound and np.isin(rows[:, 7], _DIGITS[-2:]).all() else None


def _alike_runs(rows: NDArray[np.uint8]) -> Iterator[tuple[ChannelId, int, int]]:
    codes = np.ascontiguousarray(rows[:, _CODES]).view("V12").ravel()
    changes = np.flatnonzero((rows[1:, _CODES] != rows[:-1, _CODES]).any(axis=1)) + 1
    bounds = [0, *changes.tolist(), len(rows)]
    known: dict[bytes, ChannelId] = {}
    length = rows.shape[1]
    for first, last in pairwise(bounds):
        name = codes[first].tobytes()
        channel = known.get(name) or known.setdefault(name, _channel_of(name))
        yield channel, first * length, last * length


def _scan(data: bytes) -> Iterator[tuple[ChannelId, int, int]]:
    """Go from record to record, of any version and length; what is none goes with the channel it names."""
    view, position, length = memoryview(data), 0, 0
    deadline = Deadline(LIMIT_S)
    known: dict[str, ChannelId] = {}
    while position < len(data):
        try:
            record = MS3Record.parse(view[position:])
            end, name = position + record.reclen, record.sourceid
            if record.formatversion == 2 and record.reclen != length and swallows(view[position:end], deadline):
                raise ValueError("a record is said to be longer than it is")
            length = record.reclen
            channel = known.get(name) or known.setdefault(name, ChannelId(*sourceid2nslc(name)))
        except _DAMAGE:
            end = find_header(data, position + 1)
            deadline.check()
            channel = _channel_of(data[position:end][_CODES])
        yield channel, position, end
        position = end


def _channel_of(codes: bytes) -> ChannelId:
    station, location, channel, network = (
        codes[part].decode("ascii", "replace").strip(" \0")
        for part in (slice(0, 5), slice(5, 7), slice(7, 10), slice(10, 12))
    )
    return ChannelId(network, station, location, channel)
