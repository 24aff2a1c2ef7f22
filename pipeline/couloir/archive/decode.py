"""Decode an object of the archive into pieces of one channel's recording, refusing what cannot be."""

import io
import math
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import obspy
from numpy.typing import NDArray
from obspy.core.util.base import ENTRY_POINTS, buffered_load_entry_point
from obspy.io.mseed.util import get_record_information

from couloir.errors import UnreadableError
from couloir.identifiers import ChannelId

MAX_RATE = 10_000.0
"""Rates above this, Hz, are taken for a damaged header."""
_RECORD_TYPES = b"DRQM"


@dataclass(frozen=True)
class Trace:
    """Hold contiguous samples of one channel.

    Attributes
    ----------
    start_ns : int
        Time of the first sample, ns since the epoch.
    sampling_rate : float
        As in the header, Hz.
    samples : ndarray, shape (n,)
        Counts.
    """

    start_ns: int
    sampling_rate: float
    samples: NDArray[Any]

    @property
    def duration_s(self) -> float:
        """Length, s."""
        return len(self.samples) / self.sampling_rate

    @property
    def end_ns(self) -> int:
        """Time of the sample that would follow the last, ns since the epoch."""
        return self.start_ns + round(self.duration_s * 1e9)


@dataclass(frozen=True)
class Decoded:
    """Hold what an object gave: its usable traces, and remarks on what was left out."""

    traces: tuple[Trace, ...]
    remarks: tuple[str, ...]


def is_miniseed(data: bytes) -> bool:
    """Say whether bytes begin with a miniSEED 2 record."""
    return len(data) >= 48 and data[:6].replace(b" ", b"0").isdigit() and data[6] in _RECORD_TYPES


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
    damaged: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            stream = _read_records(data, _record_length(data), damaged) if is_miniseed(data) else _read_other(data)
        except Exception as error:  # readers of many formats raise anything
            raise UnreadableError(f"{name} does not decode: {_first_line(error)}") from error
    told = list(dict.fromkeys(_first_line(w.message) for w in caught if "MSEED" in w.category.__name__))
    more = f" (and {len(told) - 1} more remarks of the reader)" if len(told) > 1 else ""
    remarks = Counter(f"{name}: {text}{more}" for text in told[:1])
    if damaged:
        remarks[f"{name}: {len(damaged)} records do not decode: {damaged[0]}"] += 1
    traces = list(_usable(stream, channel, name, remarks))
    if not traces:
        raise UnreadableError("; ".join(remarks) or f"{name} holds no samples")
    return Decoded(tuple(traces), tuple(remarks))


def _record_length(data: bytes) -> int:
    return int(get_record_information(io.BytesIO(data))["record_length"])


def _read_records(data: bytes, length: int, damaged: list[str]) -> Any:
    """Read miniSEED; where it fails, try the halves, until the damaged records stand alone and are left out."""
    try:
        return obspy.read(io.BytesIO(data), format="MSEED")
    except Exception as error:
        middle = len(data) // length // 2 * length
        if middle == 0:
            damaged.append(" ".join(str(error).split()))
            return obspy.Stream()
        return _read_records(data[:middle], length, damaged) + _read_records(data[middle:], length, damaged)


def _read_other(data: bytes) -> Any:
    """Read another format than miniSEED from a file: many readers take nothing else."""
    with tempfile.NamedTemporaryFile(prefix="couloir-") as file:
        file.write(data)
        file.flush()
        return obspy.read(file.name, format=_format_of(file.name))


def _format_of(path: str) -> str:
    """Name the format that claims a file. ObsPy's own search unpickles it: that runs any code in it."""
    for name, entry in ENTRY_POINTS["waveform"].items():
        if name == "PICKLE":
            continue
        claims = buffered_load_entry_point(entry.dist.name, f"obspy.plugin.waveform.{name}", "isFormat")
        if claims(path):
            return str(name)
    raise UnreadableError("no format that ObsPy knows")


def _usable(stream: Any, channel: ChannelId, name: str, remarks: Counter[str]) -> Iterator[Trace]:
    for item in stream:
        header = item.stats
        found = ChannelId(header.network, header.station, header.location, header.channel)
        rate = float(header.sampling_rate)
        if not _agrees(found, channel):
            remarks[f"{name} holds records of {found}, expected {channel}"] += 1
        elif not (math.isfinite(rate) and 0 < rate <= MAX_RATE):
            remarks[f"{name} has a sampling rate of {rate:g} Hz"] += 1
        elif not np.issubdtype(item.data.dtype, np.number):
            remarks[f"{name} holds {item.data.dtype} and no numbers"] += 1
        elif len(item.data):
            yield Trace(int(header.starttime.ns), rate, item.data)


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
