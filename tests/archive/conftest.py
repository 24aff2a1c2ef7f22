"""Small recordings of one channel, written as SDS or at given paths."""

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import obspy
import pytest

from couloir.archive.inventory import DayFiles
from couloir.archive.layout import Layout
from couloir.archive.listing import ArchiveObject
from couloir.identifiers import ChannelId, StationDay, day_start_ns

CHANNEL = ChannelId("XX", "AAA", "00", "HHZ")
DAY = dt.date(2024, 3, 6)


def trace(samples, *, after=0.0, rate=20.0, channel=CHANNEL, day=DAY):
    """Make an ObsPy trace that begins some seconds after a day's midnight."""
    header = {
        "network": channel.network,
        "station": channel.station,
        "location": channel.location,
        "channel": channel.channel,
        "sampling_rate": rate,
        "starttime": obspy.UTCDateTime(ns=day_start_ns(day)) + after,
    }
    return obspy.Trace(np.ascontiguousarray(samples), header)


def encode(*traces, reclen=512, fmt="MSEED") -> bytes:
    options = {"reclen": reclen} if fmt == "MSEED" else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        obspy.Stream(traces).write(str(path), format=fmt, **options)
        return next(Path(folder).iterdir()).read_bytes()


@dataclass
class Sds:
    """An SDS tree that is written file by file."""

    root: Path

    def put(self, data: bytes, *, channel=CHANNEL, day=DAY) -> ArchiveObject:
        path = self.root / Layout.named("sds").path(channel, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return ArchiveObject(str(path), len(data), "1", channel, day)

    def files(self, *objects: ArchiveObject) -> dict[dt.date, DayFiles]:
        days = sorted({item.day for item in objects})
        return {
            day: DayFiles(StationDay(CHANNEL.band, day), tuple(item for item in objects if item.day == day))
            for day in days
        }


@dataclass(frozen=True)
class Made:
    """What the tests of this folder make recordings with."""

    channel: ChannelId
    day: dt.date
    trace: Callable[..., obspy.Trace]
    encode: Callable[..., bytes]


@pytest.fixture(scope="session")
def made() -> Made:
    return Made(CHANNEL, DAY, trace, encode)


@pytest.fixture
def sds(tmp_path) -> Sds:
    return Sds(tmp_path / "sds")
