"""Objects that hold many channels give what the same channels give from objects of their own."""

import datetime as dt
from dataclasses import replace

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.archive import fetch
from couloir.archive.fetch import Fetcher
from couloir.archive.inventory import DayFiles
from couloir.archive.listing import ArchiveObject
from couloir.archive.record import DayReader
from couloir.archive.shared import channels_in, split_band
from couloir.errors import UnreadableError
from couloir.identifiers import BandId, ChannelId, StationDay

BAND = BandId("XX", "AAA", "00", "HH")
CODES = ("HHE", "HHN", "HHZ")
OTHERS = (("00", "LHZ"), ("10", "HHZ"), ("", "BHE"), ("00", "LOG"))
DAYS = [dt.date(2024, 3, 5) + dt.timedelta(days=k) for k in range(3)]
CONTEXT_S = 35.0
RATE = 20.0


def name(code, location="00"):
    return ChannelId("XX", "AAA", location, code)


def records(made, code, day, *, location="00", seconds=86_400, reclen=512, fmt="MSEED", rate=RATE):
    rng = np.random.default_rng([day.toordinal(), *code.encode()])
    samples = rng.integers(-2_000, 2_000, round(seconds * rate)).astype(np.int32)
    return made.encode(
        made.trace(samples, rate=rate, channel=name(code, location), day=day), reclen=reclen, fmt=fmt
    )


def interleave(*parts, reclen=512):
    """Put records of several channels one after another in turns, as a telemetry's archive has them."""
    blocks = [[part[i : i + reclen] for i in range(0, len(part), reclen)] for part in parts]
    longest = max(map(len, blocks))
    return b"".join(block[i] for i in range(longest) for block in blocks if i < len(block))


class Twice:
    """The same station-days as objects of one channel, and as objects of all channels."""

    def __init__(self, root, made):
        self.root, self.made = root, made
        self.alone, self.shared = {}, {}

    def put(self, day, *, edit=lambda code, data: data, codes=CODES, joined=interleave):
        parts = {code: edit(code, records(self.made, code, day)) for code in codes}
        rest = [records(self.made, code, day, location=place, rate=1.0) for place, code in OTHERS]
        data = joined(*parts.values(), *rest)
        path = self.root / f"AAA.XX.{day:%Y.%j}"
        path.write_bytes(data)
        whole = ArchiveObject(str(path), len(data), "1", name("HHZ"), day, shared=True)
        self.shared[day] = [replace(whole, channel=name(code)) for code in CODES]
        self.alone[day] = []
        for code, held in parts.items():
            own = self.root / f"{code}.{day}"
            own.write_bytes(held)
            self.alone[day].append(ArchiveObject(str(own), len(held), "1", name(code), day))
        return self

    def reader(self, kind):
        fetcher = Fetcher(fsspec.filesystem("file"))
        held = getattr(self, kind)
        files = {day: DayFiles(StationDay(BAND, day), tuple(items)) for day, items in held.items()}
        return DayReader(fetcher, files, RATE, CONTEXT_S)


@pytest.fixture
def twice(tmp_path, made):
    return Twice(tmp_path, made)


def assert_same(one, other):
    assert list(one.components) == list(other.components)
    assert (one.origin_ns, one.own) == (other.origin_ns, other.own)
    for component, grid in one.components.items():
        twin = other.components[component]
        assert np.array_equal(grid.runs, twin.runs)
        for first, last in grid.runs:  # what lies between is never looked at
            assert np.array_equal(grid.samples[first:last], twin.samples[first:last])
        assert grid.counts == twin.counts


def one_after_another(*parts):
    return b"".join(parts)


def cut_off(*parts):
    """End within a record, so that no rows of equal records can be made of it."""
    return interleave(*parts) + bytes(100)


@pytest.mark.parametrize("joined", [interleave, one_after_another, cut_off])
def test_a_station_day_is_the_same_as_from_objects_of_one_channel(twice, joined):
    for day in DAYS:
        twice.put(day, joined=joined)
    for day in DAYS:
        expected = twice.reader("alone").read(day)
        assert_same(twice.reader("shared").read(day), expected)
        assert set(expected.components) == set("ENZ")


def damage_data(code, data):
    return data[: 5 * 512 + 80] + b"\xff" * 400 + data[5 * 512 + 480 :] if code == "HHN" else data


def damage_header(code, data):
    return data[: 5 * 512 + 44] + b"\xff" * 8 + data[5 * 512 + 52 :] if code == "HHN" else data


def damage_time(code, data):
    """Give the sixth record a time that no calendar has: it is not parsed, but its codes are there."""
    return data[: 5 * 512 + 20] + b"\xff" * 4 + data[5 * 512 + 24 :] if code == "HHN" else data


def zero_record(code, data):
    return data[: 5 * 512] + bytes(512) + data[6 * 512 :] if code == "HHN" else data


@pytest.mark.parametrize("edit", [damage_data, damage_header, damage_time, zero_record])
def test_damage_costs_the_same_samples_as_in_an_object_of_one_channel(twice, edit):
    twice.put(DAYS[0], edit=edit)
    expected = twice.reader("alone").read(DAYS[0])
    assert expected.components["N"].runs.size > 2
    assert_same(twice.reader("shared").read(DAYS[0]), expected)


@pytest.mark.parametrize("joined", [interleave, cut_off])
def test_damage_is_told_with_the_channel_that_it_names(twice, joined):
    record = twice.put(DAYS[0], edit=damage_time, joined=joined).reader("shared").read(DAYS[0])
    (remark,) = record.remarks
    assert "(XX.AAA.00.HHN): 1 records do not decode" in remark


def test_other_channels_in_the_object_are_no_remark(twice):
    assert twice.put(DAYS[0]).reader("shared").read(DAYS[0]).remarks == ()


def test_each_object_is_fetched_once_and_only_the_sensors_records_are_decoded(twice, monkeypatch):
    for day in DAYS:
        twice.put(day)
    decoded = []
    plain = fetch.decode

    def watch(data, channel, *, name):
        decoded.append(channels_in(data))
        return plain(data, channel, name=name)

    monkeypatch.setattr(fetch, "decode", watch)
    reader = twice.reader("shared")
    reader.read(DAYS[1])
    sizes = [items[0].size for items in twice.shared.values()]
    assert reader.fetcher.bytes_read == sum(sizes)
    reader.read(DAYS[0])  # as at midnight
    assert reader.fetcher.bytes_read == sum(sizes)
    assert {len(channels) for channels in decoded} == {1}
    assert {channel.band for channels in decoded for channel in channels} == {BAND}


def test_bytes_of_a_shared_object_count_once(twice):
    twice.put(DAYS[0])
    files = twice.reader("shared").files[DAYS[0]]
    assert len(files.objects) == 3
    assert files.size == files.objects[0].size


def test_a_day_without_the_sensor_says_what_is_there(twice):
    twice.put(DAYS[0], codes=())
    with pytest.raises(UnreadableError) as caught:
        twice.reader("shared").read(DAYS[0])
    text = str(caught.value)
    assert "holds no records of XX.AAA.00.HH?; it holds --.BHE 00.LHZ 00.LOG 10.HHZ" in text
    assert text.count("holds no records") == 1


def test_a_component_that_is_missing_is_a_remark(twice):
    record = twice.put(DAYS[0], codes=("HHN", "HHZ")).reader("shared").read(DAYS[0])
    assert set(record.components) == {"N", "Z"}
    assert any("holds no records of XX.AAA.00.HHE; it holds" in remark for remark in record.remarks)


pools = st.lists(st.tuples(st.sampled_from(CODES), st.integers(0, 2)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def pieces(made):
    """Records of three channels in three forms: two lengths of version 2, and version 3."""
    import pymseed

    found = {}
    for code in CODES:
        short = records(made, code, DAYS[0], seconds=60)
        found[code, 0] = short
        found[code, 1] = records(made, code, DAYS[0], seconds=60, reclen=1024)
        newer = []
        for record in pymseed.MS3Record.from_buffer(short, unpack_data=True):
            record.formatversion = 3
            newer += list(record.generate())
        found[code, 2] = b"".join(newer)
    return found


@given(pools)
def test_records_of_any_length_and_version_are_told_apart_in_order(pieces, order):
    data = b"".join(pieces[each] for each in order)
    parts, there = split_band(data, BAND)
    assert there == channels_in(data) == {name(code) for code, _ in order}
    for code in CODES:
        own = b"".join(pieces[each] for each in order if each[0] == code)
        assert parts.get(name(code), b"") == own


@given(st.binary(max_size=2_000))
def test_bytes_that_are_no_records_are_told_apart_without_an_error(data):
    parts, _ = split_band(data, BAND)
    assert sum(map(len, parts.values())) <= len(data)
