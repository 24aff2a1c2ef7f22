"""Decode an object of the archive into pieces of one channel's recording, refusing what cannot be."""

import io
import math
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from couloir.archive.miniseed import holds_miniseed, is_miniseed, read_miniseed
from couloir.archive.trace import Trace
from couloir.errors import UnreadableError
from couloir.identifiers import ChannelId

MAX_RATE = 10_000.0
"""Rates above this, Hz, are taken for a damaged header."""


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
    if not traces:
        raise UnreadableError("; ".join(remarks) or f"{name} holds no samples")
    return Decoded(tuple(traces), tuple(remarks))


def _read_miniseed(data: bytes, name: str, remarks: Counter[str]) -> tuple[Trace, ...]:
    found = read_miniseed(data)
    if found.warnings:
        told = list(dict.fromkeys(found.warnings))
        more = f" (and {len(told) - 1} more remarks of the reader)" if len(told) > 1 else ""
        remarks[f"{name}: {told[0]}{more}"] += 1
    if found.damaged:
        remarks[f"{name}: {len(found.damaged)} records do not decode: {found.damaged[0]}"] += 1
    if not found.traces and (old := _without_blockette_1000(data)):
        remarks.clear()
        return old
    return found.traces


def _without_blockette_1000(data: bytes) -> tuple[Trace, ...]:
    """Read miniSEED that does not say its encoding, as the first years of it did: ObsPy takes it for Steim 1."""
    import obspy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(_traces_of(obspy.read(io.BytesIO(data), format="MSEED")))
        except Exception:  # it is no such thing: what the other reader told stands
            return ()


def _read_other(data: bytes, name: str, remarks: Counter[str]) -> Sequence[Trace]:
    """Read another format than miniSEED from a file: many of ObsPy's readers take nothing else."""
    import obspy

    with tempfile.NamedTemporaryFile(prefix="couloir-") as file:
        file.write(data)
        file.flush()
        found = _format_of(file.name)
        if found is None and holds_miniseed(data):  # its beginning is damaged
            return _read_miniseed(data, name, remarks)
        try:
            if found is None:
                raise UnreadableError("no format that ObsPy knows")
            stream = obspy.read(file.name, format=found)
        except Exception as error:  # readers of many formats raise anything
            raise UnreadableError(f"{name} does not decode: {_first_line(error)}") from error
    return list(_traces_of(stream))


def _traces_of(stream: Any) -> Iterator[Trace]:
    for item in stream:
        header = item.stats
        channel = ChannelId(header.network, header.station, header.location, header.channel)
        yield Trace(channel, int(header.starttime.ns), float(header.sampling_rate), item.data)


def _format_of(path: str) -> str | None:
    """Name the format that claims a file. ObsPy's own search unpickles it: that runs any code in it."""
    from obspy.core.util.base import ENTRY_POINTS, buffered_load_entry_point

    for name, entry in ENTRY_POINTS["waveform"].items():
        if name == "PICKLE":
            continue
        claims = buffered_load_entry_point(entry.dist.name, f"obspy.plugin.waveform.{name}", "isFormat")
        if claims(path):
            return str(name)
    return None


def _usable(traces: Iterable[Trace], channel: ChannelId, name: str, remarks: Counter[str]) -> Iterator[Trace]:
    for trace in traces:
        rate = trace.sampling_rate
        if not _agrees(trace.channel, channel):
            remarks[f"{name} holds records of {trace.channel}, expected {channel}"] += 1
        elif not (math.isfinite(rate) and 0 < rate <= MAX_RATE):
            remarks[f"{name} has a sampling rate of {rate:g} Hz"] += 1
        elif not np.issubdtype(trace.samples.dtype, np.number):
            remarks[f"{name} holds {trace.samples.dtype} and no numbers"] += 1
        elif len(trace.samples):
            yield trace


def _agrees(found: ChannelId, expected: ChannelId) -> bool:
    pairs = (
        (found.network, expected.network),
        (found.station, expected.station),
        (found.location, expected.location),
        (found.channel, expected.channel),
    )
    return all(not a or a == b for a, b in pairs)


def _first_line(error: object) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
