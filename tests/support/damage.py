"""Damage recordings in every way that disks, transfers and digitizers know; the same seed, the same files."""

import bz2
import datetime as dt
import gzip
import io
import lzma
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import obspy
from pymseed import MS3TraceList

from couloir.identifiers import ChannelId, day_start_ns

CHANNEL = ChannelId("XX", "AAA", "00", "HHZ")
DAY = dt.date(2024, 3, 6)
RATE = 5.0
RECORD = 512
HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n"
XML = b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>\n'


@dataclass(frozen=True)
class Source:
    """A sound file: what it is, its bytes, and the channel and day that its name says."""

    kind: str
    data: bytes
    channel: ChannelId = CHANNEL
    day: dt.date = DAY

    @property
    def is_miniseed(self) -> bool:
        return self.kind.startswith("mseed")


@dataclass(frozen=True)
class Damaged:
    """A damaged file, with the way it was damaged and what it was before."""

    number: int
    way: str
    data: bytes
    source: Source


def counts(n: int = 3_000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 300, n)
    data[n // 2 : n // 2 + 20] += 9_000 * np.sin(np.arange(20))
    return np.rint(data).astype(np.int32)


def sound_sources(n: int = 3_000) -> list[Source]:
    """Write ten minutes of one channel in every format and encoding that the damage is done to."""
    data = counts(n)
    reclens = {"STEIM2": RECORD, "STEIM1": 4096, "INT32": 256, "FLOAT32": RECORD, "FLOAT64": 1024}
    sources = [
        Source(f"mseed {name} {reclen}", _written(_trace(data, name), "MSEED", encoding=name, reclen=reclen))
        for name, reclen in reclens.items()
    ]
    little = _written(_trace(data, "STEIM2"), "MSEED", encoding="STEIM2", reclen=RECORD, byteorder=0)
    sources += [Source("mseed little-endian", little), Source("mseed version 3", _version_3(data))]
    first_years = bytearray(sources[1].data)
    for first in range(0, len(first_years), 4096):
        first_years[first + 39] = 0
        first_years[first + 46 : first + 48] = bytes(2)
    sources.append(Source("mseed without blockette 1000", bytes(first_years)))
    for name in ("SAC", "SACXY", "GSE2", "TSPAIR", "SLIST", "AH", "WAV"):
        kind = np.float32 if name.startswith("SAC") else np.int32
        options = {"framerate": 7000} if name == "WAV" else {}
        sources.append(Source(name, _written(_trace(data.astype(kind)), name, **options)))
    return sources


def real_sources(folder: Path, records: int = 40) -> list[Source]:
    """Cut the beginnings of real recordings under an SDS tree; nothing where there is none."""
    sources = []
    for path in sorted(folder.glob("**/*.D.????.???")):
        network, station, location, channel, _, year, number = path.name.split(".")
        day = dt.date(int(year), 1, 1) + dt.timedelta(days=int(number) - 1)
        with path.open("rb") as file:
            data = file.read(records * RECORD)
        sources.append(Source(f"mseed {path.name}", data, ChannelId(network, station, location, channel), day))
    return sources


def corpus(sources: Sequence[Source], count: int, seed: int = 0, first: int = 0) -> Iterator[Damaged]:
    """Damage sources in turn, every way in turn, one file in four twice over."""
    ways = list(WAYS.items())
    for number in range(first, first + count):
        rng = np.random.default_rng([seed, number])
        name, way = ways[number % len(ways)]
        source = sources[int(rng.integers(len(sources)))]
        data = way(rng, source.data)
        if rng.random() < 0.25:
            again, second = ways[int(rng.integers(len(ways)))]
            name, data = f"{name} + {again}", second(rng, data)
        yield Damaged(number, name, data, source)


def _trace(data: np.ndarray, encoding: str = "") -> obspy.Trace:
    kinds = {"FLOAT32": np.float32, "FLOAT64": np.float64}
    codes = {"network": "XX", "station": "AAA", "location": "00", "channel": "HHZ"}
    start = obspy.UTCDateTime(ns=day_start_ns(DAY)) + 7_200
    samples = data.astype(kinds.get(encoding, data.dtype))
    return obspy.Trace(samples, {**codes, "sampling_rate": RATE, "starttime": start})


def _written(trace: obspy.Trace, fmt: str, **options) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        obspy.Stream([trace]).write(str(Path(folder) / "file"), format=fmt, **options)
        return max(Path(folder).iterdir(), key=lambda path: path.stat().st_size).read_bytes()


def _version_3(data: np.ndarray) -> bytes:
    records = MS3TraceList()
    records.add_data(
        sourceid="FDSN:XX_AAA_00_H_H_Z",
        data_samples=data,
        sample_type="i",
        sample_rate=RATE,
        starttime=day_start_ns(DAY) + 7_200 * 10**9,
    )
    return b"".join(records.generate(format_version=3, max_record_length=RECORD))


def _put(data: bytes, position: int, new: bytes) -> bytes:
    return data[:position] + new[: max(len(data) - position, 0)] + data[position + len(new) :]


def _records(data: bytes) -> list[bytes]:
    return [data[first : first + RECORD] for first in range(0, len(data), RECORD)]


def _a_record(rng, data: bytes) -> int:
    return RECORD * int(rng.integers(max(len(data) // RECORD, 1)))


def _cut(low: int, high: int) -> Callable:
    """Cut the file so many bytes into one of its records."""
    return lambda rng, data: data[: _a_record(rng, data) + int(rng.integers(low, high))]


def _field(offset: int, *values: bytes) -> Callable:
    """Write a value to a header's field, in one record or in all of them."""

    def write(rng, data: bytes) -> bytes:
        value = values[int(rng.integers(len(values)))]
        if rng.random() < 0.5:
            return _put(data, _a_record(rng, data) + offset, value)
        for first in range(0, len(data), RECORD):
            data = _put(data, first + offset, value)
        return data

    return write


def _flip(rng, data: bytes, *, most: int = 200, header: bool = False) -> bytes:
    flipped = bytearray(data)
    for _ in range(int(rng.integers(1, most))):
        if flipped:
            start = _a_record(rng, data) if header else 0
            position = start + int(rng.integers(64 if header else len(flipped)))
            flipped[min(position, len(flipped) - 1)] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def _fill(rng, data: bytes, filler: int) -> bytes:
    length = int(rng.choice([16, 512, 4096, len(data) or 1]))
    return _put(data, int(rng.integers(len(data) + 1)), bytes([filler]) * length)


def _insert(rng, data: bytes, what: bytes) -> bytes:
    position = int(rng.choice([0, _a_record(rng, data), int(rng.integers(len(data) + 1))]))
    return data[:position] + what + data[position:]


def _shuffled(rng, data: bytes) -> bytes:
    records = _records(data)
    return b"".join(records[number] for number in rng.permutation(len(records)))


def _repeated(rng, data: bytes) -> bytes:
    records = _records(data)
    return b"".join(record * int(rng.integers(1, 4)) for record in records)


def _lost(rng, data: bytes) -> bytes:
    return b"".join(record for record in _records(data) if rng.random() < 0.7)


def _each_header(offset: int, values: Callable) -> Callable:
    """Write another value to each record."""

    def write(rng, data: bytes) -> bytes:
        for first in range(0, len(data), RECORD):
            data = _put(data, first + offset, values(rng))
        return data

    return write


def _version_3_rate(rng, data: bytes) -> bytes:
    rate = rng.choice([np.nan, np.inf, -np.inf, 0.0, -1e30, 1e30, 1e-30, -5.0])
    return _resealed(_put(data, 16, struct.pack("<d", float(rate))))


def _version_3_count(rng, data: bytes) -> bytes:
    return _resealed(_put(data, 24, struct.pack("<I", int(rng.choice([0, 10**6, 4 * 10**9])))))


def _resealed(data: bytes) -> bytes:
    """Renew the checksum of the first record of version 3, so that it is believed."""
    if not data.startswith(b"MS\x03") or len(data) < 40:
        return data
    extra, payload = struct.unpack("<HI", data[34:40])
    end = 40 + data[33] + extra + payload
    blank = _put(data[:end], 28, bytes(4))
    return _put(data, 28, struct.pack("<I", crc32c(blank)))


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _zipped(_rng, data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("recording"), data)
    return packed.getvalue()


def _lookalikes(rng, data: bytes) -> bytes:
    alike = (b"000001D ", b"MS\x03", data[:48], data[:40], b"000001D " + data[8:48])
    return data[:RECORD] + alike[int(rng.integers(len(alike)))] * int(rng.integers(1, 2_000))


def _big(*values: int) -> tuple[bytes, ...]:
    return tuple(value.to_bytes(2, "big", signed=value < 0) for value in values)


def _pairs(*values: tuple[int, int]) -> tuple[bytes, ...]:
    return tuple(struct.pack(">hh", *pair) for pair in values)


def _random(rng, count: int) -> bytes:
    return bytes(rng.integers(0, 256, count, np.uint8))


_IMPOSSIBLE = ((0, 0), (0, 1), (32767, 32767), (-32768, 1), (-32767, -32767), (1, -3))
_RATES = (*_IMPOSSIBLE, (-1, -1), (20, 1), (2, 1), (9_999, 1))
WAYS: dict[str, Callable] = {
    "cut in a fixed header": _cut(1, 48),
    "cut in a blockette": _cut(48, 64),
    "cut in the data": _cut(64, RECORD),
    "cut between records": _cut(0, 1),
    "cut anywhere": lambda rng, data: data[: int(rng.integers(len(data) + 1))],
    "one bit flipped": lambda rng, data: _flip(rng, data, most=2),
    "bits flipped": _flip,
    "bits flipped in headers": lambda rng, data: _flip(rng, data, most=30, header=True),
    "zeros written": lambda rng, data: _fill(rng, data, 0),
    "ones written": lambda rng, data: _fill(rng, data, 255),
    "random bytes written": lambda rng, data: _put(data, int(rng.integers(len(data) + 1)), _random(rng, 700)),
    "record length": _field(54, *(bytes([n]) for n in (0, 3, 6, 8, 10, 12, 20, 255))),
    "number of samples": _field(30, *_big(0, 1, 7_000, 65_535)),
    "beginning of the data": _field(44, *_big(0, 1, 48, 63, 512, 65_535)),
    "first blockette": _field(46, *_big(0, 1, 46, 56, 510, 65_535)),
    "next blockette": _field(50, *_big(0, 1, 48, 510, 65_535)),
    "encoding": _field(52, *(bytes([n]) for n in (0, 1, 3, 4, 5, 10, 11, 14, 16, 30, 33, 99))),
    "byte order": _field(53, b"\0", b"\1", b"\2"),
    "sampling rate": _field(32, *_pairs(*_RATES)),
    "sampling rate, another in each record": _each_header(32, lambda rng: _random(rng, 4)),
    "rate in version 3": _version_3_rate,
    "samples in version 3": _version_3_count,
    "year": _field(20, *_big(0, 1, 1899, 1970, 2024, 2262, 2500, 65_535)),
    "day, hour, second": _field(22, b"\0\0", b"\1\x6f", b"\0\x42\x18", b"\0\x42\0\0\x3c", b"\0\x42\x17\x3b\x3d"),
    "time, another in each record": _each_header(20, lambda rng: b"\x07\xe8\0" + _random(rng, 7)),
    "another station": _field(8, b"BBB  ", b"\x1b[31m", b"\xff\xfe\0\1\2", b"     "),
    "station, another in each record": _each_header(8, lambda rng: _random(rng, 5)),
    "records shuffled": _shuffled,
    "records repeated": _repeated,
    "records lost": _lost,
    "the file twice": lambda _rng, data: data + data,
    "text between": lambda rng, data: _insert(rng, data, HTML),
    "noise between": lambda rng, data: _insert(rng, data, _random(rng, int(rng.integers(1, 900)))),
    "zeros at the end": lambda rng, data: data + bytes(int(rng.integers(1, 5_000))),
    "line ends changed": lambda _rng, data: data.replace(b"\n", b"\r\n"),
    "seven bits": lambda _rng, data: bytes(byte & 127 for byte in data),
    "lookalikes of records": _lookalikes,
    "headers only": lambda _rng, data: b"".join(record[:48] for record in _records(data)),
    "numbers exchanged": lambda rng, data: data.replace(b"1", rng.choice([b"9" * 9, b"-", b"nan", b"1e99"])),
    "empty": lambda _rng, _data: b"",
    "one byte": lambda rng, data: data[:1] or _random(rng, 1),
    "HTML": lambda _rng, _data: HTML,
    "XML": lambda _rng, _data: XML,
    "text": lambda _rng, _data: b"file not found\n" * 40,
    "gzip": lambda _rng, data: gzip.compress(data, 1, mtime=0),
    "bzip2": lambda _rng, data: bz2.compress(data),
    "xz": lambda _rng, data: lzma.compress(data, preset=0),
    "zip": _zipped,
    "random bytes": lambda rng, _data: _random(rng, int(rng.integers(1, 20_000))),
    "zeros": lambda rng, _data: bytes(int(rng.integers(1, 20_000))),
    "random bytes after a header": lambda rng, data: data[:64] + _random(rng, 4_000),
}
