"""Decode an object of the archive into pieces of one channel's recording, refusing what cannot be."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from couloir.archive.guard import guard
from couloir.archive.miniseed import holds_miniseed, is_miniseed, read_miniseed
from couloir.archive.remarks import at_most, several
from couloir.archive.sniff import as_text, lacks_blockette_1000, what_it_is
from couloir.archive.trace import Trace
from couloir.errors import UnreadableError
from couloir.identifiers import ChannelId

MIN_RATE, MAX_RATE = 0.1, 10_000.0
"""Rates outside this, Hz, are taken for a damaged header."""


@dataclass(frozen=True)
class Decoded:
    """Hold what an object gave: its usable traces, and remarks on what was left out."""

    traces: tuple[Trace, ...]
    remarks: tuple[str, ...]


def decode(data: bytes, channel: ChannelId, *, name: str) -> Decoded:
    """Decode bytes in any format that ObsPy reads.

    Traces of another channel than the object's name says, and traces with an impossible sampling rate, are left
    out with a remark. A header that leaves a code empty (SAC) is trusted to be of the channel.

    Parameters
    ----------
    data : bytes
        A whole object, or whole miniSEED records of one.
    channel : ChannelId
        What the object's name says it holds.
    name : str
        The object's name, for remarks and errors.

    Returns
    -------
    Decoded

    Raises
    ------
    UnreadableError
        When nothing usable is in it; the text names the object and says why.
    """
    if not data:
        raise UnreadableError(f"{name} is empty (0 bytes)")
    remarks: Counter[str] = Counter()
    found = _read_miniseed(data, name, remarks) if is_miniseed(data) else _read_other(data, name, remarks)
    traces = list(_usable(found, channel, name, remarks))
    told = at_most(remarks)
    if not traces:
        raise UnreadableError("; ".join(told) or f"{name} holds no samples")
    return Decoded(tuple(traces), told)


def _read_miniseed(data: bytes, name: str, remarks: Counter[str]) -> tuple[Trace, ...]:
    try:
        found = read_miniseed(data)
    except UnreadableError as error:
        raise UnreadableError(f"{name} does not decode: {error}") from error
    if found.warnings:
        more = f" (and {len(found.warnings) - 1} more remarks of the reader)" if len(found.warnings) > 1 else ""
        remarks[f"{name}: {found.warnings[0]}{more}"] += 1
    if found.damaged:
        remarks[f"{name}: {found.left_out} records do not decode: {found.damaged[0]}"] += 1
    if not found.traces and lacks_blockette_1000(data) and (old := _without_blockette_1000(data, name)):
        remarks.clear()
        return old
    return found.traces


def _without_blockette_1000(data: bytes, name: str) -> tuple[Trace, ...]:
    """Read miniSEED that does not say its encoding, as the first years of it did: ObsPy takes it for Steim 1."""
    try:
        return guard().read(data, name=name, known="MSEED").traces
    except UnreadableError:  # it is no such thing: what the other reader told stands
        return ()


def _read_other(data: bytes, name: str, remarks: Counter[str]) -> Sequence[Trace]:
    """Read another format than miniSEED."""
    if told := what_it_is(data):
        if not holds_miniseed(data):  # else it is its beginning that is damaged
            raise UnreadableError(f"{name} does not decode: {told}")
        return _read_miniseed(data, name, remarks)
    found = guard().read(data, name=name)
    if found.format is not None:
        return found.traces
    if holds_miniseed(data):
        return _read_miniseed(data, name, remarks)
    text = as_text(data)
    beginning = f"; it begins with the text {text!r}" if text else ""
    raise UnreadableError(f"{name} does not decode: no format that ObsPy knows{beginning}")


def _usable(traces: Iterable[Trace], channel: ChannelId, name: str, remarks: Counter[str]) -> Iterator[Trace]:
    others: Counter[ChannelId] = Counter()
    rates: Counter[str] = Counter()
    for trace in traces:
        rate = trace.sampling_rate
        if not _agrees(trace.channel, channel):
            others[trace.channel] += 1
        elif not (math.isfinite(rate) and MIN_RATE <= rate <= MAX_RATE):
            rates[f"{rate:g}"] += 1
        elif not np.issubdtype(trace.samples.dtype, np.number):
            remarks[f"{name} holds {trace.samples.dtype} and no numbers"] += 1
        elif len(trace.samples):
            yield trace
    if others:
        remarks[f"{name} holds records of {several(others)}, expected {channel}"] += 1
    if rates:
        remarks[f"{name} has a sampling rate of {several(rates)} Hz, expected {MIN_RATE:g} to {MAX_RATE:g}"] += 1


def _agrees(found: ChannelId, expected: ChannelId) -> bool:
    pairs = (
        (found.network, expected.network),
        (found.station, expected.station),
        (found.location, expected.location),
        (found.channel, expected.channel),
    )
    return all(not a or a == b for a, b in pairs)
