"""A block of made-up events, and places to write it to."""

import uuid
from collections.abc import Callable

import fsspec
import numpy as np
import pytest

from couloir.identifiers import BandId, Block
from couloir.store.blocks import Axes, complete_block, prepare, write_block
from couloir.store.events import Event
from couloir.store.location import Location

SAMPLES = 40
AXES = Axes(np.linspace(0, 10, 8), np.linspace(0.5, 1.5, 4), SAMPLES, 20.0)


def event(start_time, number=0):
    return Event(
        start_time=start_time,
        onset_time=start_time + 500_000_000,
        peak_time=start_time + 750_000_001,
        end_time=start_time + 9_000_000_000,
        window=number,
        peak_amplitude=1_234.5,
        median=10.25,
        mad=2.5,
        snr=120.5,
        coverage=0.75,
        band_low=1.0,
        band_high=45.0,
        unit=0,
    )


def picture(windows):
    """Make spectrograms that tell which windows they were made of."""
    level = np.nan_to_num(windows).mean(axis=(1, 2))[:, None, None, None]
    return (np.tile(level, (1, 8, 4, 3)) + np.arange(3)).astype(np.float16)


@pytest.fixture(params=["local", "memory", "s3"])
def output(request, tmp_path):
    if request.param == "local":
        yield Location(str(tmp_path / "out"))
        return
    if request.param == "s3":
        options = request.getfixturevalue("s3").options()
        yield Location(f"s3://{request.getfixturevalue('bucket')}/out", options)
        return
    url = f"memory://{uuid.uuid4().hex}/out"
    yield Location(url)
    fsspec.filesystem("memory").rm(url, recursive=True)


@pytest.fixture
def local(tmp_path):
    return Location(str(tmp_path / "out"))


@pytest.fixture
def block() -> Block:
    return Block(BandId("GG", "LH01", "", "EH"), 2024, 2)


@pytest.fixture
def write() -> Callable[..., np.ndarray]:
    """Write a block of so many events, and mark it; give its waveforms."""

    def write(output, block, count, *, first=0, mark=True, picture=picture, settings=None):
        waveforms = np.random.default_rng(first).normal(first, 1, (count, 3, SAMPLES)).astype(np.float32)
        waveforms[:, :, :: max(1, SAMPLES // 4)] += np.arange(first, first + count)[:, None, None]
        waveforms[::2, 1] = np.nan
        prepare(output, [block])
        written = write_block(
            output,
            block,
            events=[event(block.start_ns + i * 10**9, i) for i in range(first, first + count)],
            waveforms=np.split(waveforms, [0, 1, 3, 3, 8]),  # days give as many as they have
            picture=picture,
            axes=AXES,
            settings={"sampling_rate": 20.0, "band_hz": [1.0, 8.0]} if settings is None else settings,
        )
        if mark:
            complete_block(output, block, written, mark={"settings": "abc", "events": count})
        return waveforms

    return write


@pytest.fixture
def expected_pictures() -> Callable[[np.ndarray], np.ndarray]:
    return picture


@pytest.fixture
def axes() -> Axes:
    return AXES


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("couloir.store.blocks.CHUNK", 2)
    monkeypatch.setattr("couloir.store.blocks.SHARD", 6)
