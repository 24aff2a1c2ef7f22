"""What a station-day needs is fetched at once, before it is read, and told to be so many bytes at most."""

import datetime as dt
import threading
import time

import fsspec
import numpy as np
import pytest
import s3server
from fsspec.implementations.local import LocalFileSystem

from couloir.archive import fetch
from couloir.archive.ends import BITE, Ends
from couloir.archive.fetch import Fetcher
from couloir.archive.inventory import DayFiles
from couloir.archive.listing import ArchiveObject
from couloir.archive.record import DayReader
from couloir.errors import UnreachableError
from couloir.identifiers import ChannelId, StationDay
from couloir.storage import Patience, open_place

RATE = 20.0
CODES = ("HHE", "HHN", "HHZ")
LATENCY_S = 0.2


class SlowFileSystem(LocalFileSystem):
    """A disk that is far away, and that writes down what it is asked for."""

    cachable = False

    def __init__(self, latency_s=0.0, **options):
        super().__init__(**options)
        self.latency_s = latency_s
        self.asked = []
        self.busy = self.most = 0
        self.lock = threading.Lock()
        self.errors = {}

    def cat_file(self, path, start=None, end=None, **options):
        with self.lock:
            self.asked.append((path, start, end))
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(self.latency_s)
        with self.lock:
            self.busy -= 1
        if path in self.errors:
            raise self.errors[path]
        return super().cat_file(path, start=start, end=end, **options)


@pytest.fixture
def days(made):
    return [made.day + dt.timedelta(days=k) for k in (-1, 0, 1)]


@pytest.fixture
def objects(made, sds, days):
    """Three days of three channels, each of some hundred kilobytes."""
    rng = np.random.default_rng(0)
    found = []
    for day in days:
        for code in CODES:
            channel = ChannelId("XX", "AAA", "00", code)
            samples = rng.integers(-2_000, 2_000, round(86_400 * RATE / 4)).astype(np.int32)
            after = 64_800.0 if day < made.day else 0.0
            data = made.encode(made.trace(samples, after=after, channel=channel, day=day))
            found.append(sds.put(data, channel=channel, day=day))
    return found


@pytest.fixture
def reader(sds, objects):
    def make(latency_s=0.0):
        system = SlowFileSystem(latency_s)
        return DayReader(
            Fetcher(system, patience=Patience(total_s=0)), sds.files(*objects), RATE, context_s=35.0
        ), system

    return make


def test_nine_requests_take_the_time_of_one(made, reader):
    ahead, system = reader(LATENCY_S)
    began = time.perf_counter()
    ahead.fetch_ahead(made.day)
    assert time.perf_counter() - began < 3 * LATENCY_S
    assert len(system.asked) == system.most == 9


def test_reading_after_fetching_ahead_asks_for_nothing_more_and_gives_the_same(made, reader):
    ahead, system = reader()
    ahead.fetch_ahead(made.day)
    asked = list(system.asked)
    record = ahead.read(made.day)
    assert system.asked == asked
    plain = reader()[0].read(made.day)
    assert record.remarks == plain.remarks
    for component, grid in plain.components.items():
        assert np.array_equal(record.components[component].runs, grid.runs)
        for first, last in grid.runs:
            assert np.array_equal(record.components[component].samples[first:last], grid.samples[first:last])


def test_the_bytes_held_are_those_that_were_told(made, reader, objects):
    ahead, _ = reader()
    own = [item.size for item in objects if item.day == made.day]
    assert ahead.ahead_bytes(made.day) == sum(own) + 6 * 32 * 1024
    ahead.fetch_ahead(made.day)
    assert ahead.fetcher.held_bytes == ahead.fetcher.bytes_read == ahead.ahead_bytes(made.day)


def test_nothing_is_held_any_more_once_it_is_read(made, reader):
    ahead, _ = reader()
    ahead.fetch_ahead(made.day)
    ahead.read(made.day)
    assert ahead.fetcher.held_bytes == 0


def test_fetching_ahead_twice_fetches_once(made, reader):
    ahead, system = reader()
    ahead.fetch_ahead(made.day)
    ahead.fetch_ahead(made.day)
    assert len(system.asked) == 9


def test_nothing_is_decoded_ahead(made, reader):
    ahead, _ = reader()
    ahead.fetch_ahead(made.day)
    assert ahead.fetcher.seconds["decode"] == 0
    assert ahead.fetcher.seconds["read"] > 0


@pytest.mark.parametrize("which", [0, 4, 8])
def test_an_error_met_ahead_is_raised_where_the_object_is_read(made, reader, objects, which):
    ahead, system = reader()
    path = objects[which].path
    system.errors[path] = PermissionError(13, "Permission denied")
    ahead.fetch_ahead(made.day)
    asked = len(system.asked)
    with pytest.raises(UnreachableError, match=rf"{path} cannot be fetched: access denied"):
        ahead.read(made.day)
    assert len(system.asked) == asked
    assert ahead.fetcher.held_bytes == 0


def test_an_object_that_vanished_since_the_listing_is_told_as_such(made, reader, objects):
    ahead, system = reader()
    system.rm(objects[4].path)
    ahead.fetch_ahead(made.day)
    with pytest.raises(UnreachableError, match=r"066 cannot be fetched: it is gone since the archive was listed"):
        ahead.read(made.day)


def test_a_day_that_does_not_exist_needs_nothing(made, reader):
    ahead, system = reader()
    far = made.day + dt.timedelta(days=30)
    ahead.fetch_ahead(far)
    assert ahead.ahead_bytes(far) == len(system.asked) == 0


def test_an_object_that_was_replaced_by_a_shorter_one_is_read_as_what_it_is(made, reader, objects):
    ahead, system = reader()
    item = objects[4]
    system.pipe_file(item.path, system.cat_file(item.path)[: item.size // 2 // 512 * 512])
    record = ahead.read(made.day)
    valid = {name: int(np.diff(grid.runs).sum()) for name, grid in record.components.items()}
    assert 0 < valid["N"] < 0.7 * valid["Z"]


def test_bytes_are_let_go_as_soon_as_they_are_decoded(made, reader, monkeypatch):
    ahead, _ = reader()
    ahead.fetch_ahead(made.day)
    total, waiting = ahead.fetcher.held_bytes, []
    plain = fetch.decode

    def watch(data, channel, *, name):
        waiting.append((ahead.fetcher.held_bytes, len(data)))
        return plain(data, channel, name=name)

    monkeypatch.setattr(fetch, "decode", watch)
    ahead.read(made.day)
    left = total
    for held, size in waiting:
        assert held == left - size
        left = held
    assert left == 0


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("denied", "access denied"),
        ("gone", "it is gone since the archive was listed"),
        ("frozen", "no answer in time"),
    ],
)
def test_trouble_with_a_bucket_is_told_where_the_object_is_read(s3, bucket, made, monkeypatch, trouble, told):
    if trouble == "denied":
        for name, value in s3server.READ_ONLY_KEYS.items():
            monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    system, _ = open_place(f"s3://{bucket}", s3.options())
    item = ArchiveObject(f"{bucket}/AAA.mseed", 512, "1", made.channel, made.day)
    files = {made.day: DayFiles(StationDay(made.channel.band, made.day), (item,))}
    patience = Patience(total_s=0.5, attempt_s=0.5) if trouble == "frozen" else Patience()
    fetcher = Fetcher(system, patience=patience)
    ahead = DayReader(fetcher, files, RATE, context_s=35.0)
    s3.freeze(frozen=trouble == "frozen")
    try:
        ahead.fetch_ahead(made.day)
        with pytest.raises(UnreachableError, match=rf"{bucket}/AAA\.mseed cannot be fetched: {told}"):
            ahead.read(made.day)
    finally:
        s3.freeze(frozen=False)


class TestEnds:
    """The ends of what was read whole answer for it, and for nothing else."""

    data = bytes(range(256)) * 512
    key = ("a", "v1", 256 * 512)

    def test_both_ends_are_those_of_the_object(self):
        ends = Ends()
        ends.keep(self.key, self.data)
        assert ends.get(self.key, 0, BITE) == self.data[:BITE]
        assert ends.get(self.key, len(self.data) - BITE, len(self.data)) == self.data[-BITE:]

    def test_other_bytes_other_versions_and_short_answers_are_asked_for(self):
        ends = Ends()
        ends.keep(self.key, self.data)
        ends.keep(("b", "v1", 256 * 512), self.data[:-1])
        assert ends.get(self.key, 0, 2 * BITE) is None
        assert ends.get(("a", "v2", 256 * 512), 0, BITE) is None
        assert ends.get(("b", "v1", 256 * 512), 0, BITE) is None

    def test_so_many_are_kept_and_no_more(self):
        ends = Ends()
        for number in range(300):
            ends.keep((str(number), "v1", len(self.data)), self.data)
        assert ends.get(("0", "v1", len(self.data)), 0, BITE) is None
        assert ends.get(("299", "v1", len(self.data)), 0, BITE) is not None
