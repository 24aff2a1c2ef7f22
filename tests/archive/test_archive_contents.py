"""Where paths name no channels, a few objects of each station tell which there are."""

import datetime as dt

import fsspec
import numpy as np
import pytest

from couloir.archive import contents
from couloir.archive.layout import Layout
from couloir.archive.listing import list_objects
from couloir.errors import ArchiveError
from couloir.identifiers import ChannelId, Pattern
from couloir.storage import open_place

EARTHSCOPE = Layout.named("earthscope")
FIRST = dt.date(2024, 1, 1)
ALL = ("00.BH1", "00.BH2", "00.BHZ", "10.BHE", "10.BHN", "10.BHZ", "00.LOG")


@pytest.fixture
def put(tmp_path, made):
    """Write a station's day of some channels below a root, which is a folder where none is given."""
    samples = np.random.default_rng(0).integers(-99, 99, 200).astype(np.int32)
    known = {}

    def write(number, codes=ALL, *, station="ANMO", version=None, data=None, url=str(tmp_path), options=None):
        file_system, root = open_place(url, options or {})
        day = FIRST + dt.timedelta(days=number)
        channels = [ChannelId("IU", station, *code.split(".")) for code in codes]
        if data is None and (key := (station, number, codes)) not in known:
            known[key] = made.encode(*(made.trace(samples, channel=channel, day=day) for channel in channels))
        path = f"{root}/{EARTHSCOPE.path(ChannelId('IU', station, '', ''), day, version=version)}"
        file_system.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        file_system.pipe_file(path, known[key] if data is None else data)

    return write


@pytest.fixture
def looked(monkeypatch):
    """Write down how many bytes are looked into each time."""
    seen = []
    plain = contents.channels_in
    monkeypatch.setattr(contents, "channels_in", lambda data: (seen.append(len(data)), plain(data))[1])
    return seen


@pytest.fixture
def find(tmp_path):
    def listing(*patterns, count=30, layout=EARTHSCOPE, url=str(tmp_path), options=None):
        return list_objects(
            url,
            layout,
            patterns=[Pattern.parse(text) for text in patterns],
            days=[FIRST + dt.timedelta(days=k) for k in range(count)],
            storage_options=options,
        )

    return listing


def held(listing):
    found = {}
    for item in listing.objects:
        found.setdefault((item.day - FIRST).days, []).append(str(item.channel).split(".", 2)[2])
    return found


def test_first_and_last_object_tell_the_channels_of_a_station_that_does_not_change(put, find, looked):
    for number in range(30):
        put(number)
    listing = find("IU.*.*.*")
    assert held(listing) == {n: sorted(set(ALL) - {"00.LOG"}) for n in range(30)}
    assert len(looked) == 2
    assert all(item.shared for item in listing.objects)
    assert len({item.path for item in listing.objects}) == 30


def test_the_selection_decides_among_bands_and_locations(put, find):
    put(0)
    assert held(find("IU.ANMO.10.BH?")) == {0: ["10.BHE", "10.BHN", "10.BHZ"]}
    assert held(find("IU.*.*.BHZ")) == {0: ["00.BHZ", "10.BHZ"]}


@pytest.mark.parametrize("change", [1, 13, 29])
def test_the_day_of_a_change_is_found_by_few_looks(put, find, looked, change):
    for number in range(30):
        put(number, ("00.BHZ",) if number < change else ("00.HHZ",))
    assert held(find("IU.*.*.*")) == {n: ["00.BHZ" if n < change else "00.HHZ"] for n in range(30)}
    assert len(looked) <= 7


def test_a_station_that_changes_every_day_costs_no_more_than_so_many_looks(put, find, looked):
    for number in range(60):
        put(number, (f"{number:02d}.BHZ",))
    found = held(find("IU.*.*.*", count=60))
    assert len(looked) == contents.MOST_LOOKS
    assert len(found) == 60
    assert found[0] == ["00.BHZ"]
    assert found[59] == ["59.BHZ"]


def test_other_channels_that_come_and_go_cost_no_look(put, find, looked):
    for number in range(30):
        put(number, ("00.BHZ", "00.LOG" if number % 2 else "00.ACE"))
    find("IU.*.*.BH?")
    assert len(looked) == 2


def test_objects_that_hold_no_records_are_passed_over(put, find):
    put(0, data=b"")
    put(1, data=b"damaged" * 200)
    for number in (2, 3, 4):
        put(number)
    put(5, data=b"")
    assert held(find("IU.*.*.BHZ")) == {n: ["00.BHZ", "10.BHZ"] for n in range(6)}


def test_a_station_of_which_nothing_can_be_read_is_left_out_by_name(put, find):
    put(0)
    put(0, station="COLA", data=b"damaged")
    listing = find("IU.*.*.BHZ")
    assert {item.channel.station for item in listing.objects} == {"ANMO"}
    assert listing.left_out == {"IU.COLA: no miniSEED in the objects that were looked into": 1}


def test_the_highest_version_is_looked_into_and_taken(put, find):
    put(0, ("00.BHZ",))
    put(0, ("00.HHZ",), version=2)
    listing = find("IU.*.*.*")
    assert held(listing) == {0: ["00.HHZ"]}
    assert listing.objects[0].path.endswith("#2")
    assert "older version" in next(iter(listing.left_out))


def test_a_selection_of_no_channel_that_is_there_is_shown_what_is(put, find):
    put(0)
    with pytest.raises(ArchiveError) as caught:
        find("IU.ANMO.00.HH?")
    assert "channel HH? is not there; there are:" in str(caught.value)
    assert "'BHZ'" in str(caught.value)
    with pytest.raises(ArchiveError, match=r"station ANMX is not there; there are: 'ANMO'"):
        find("IU.ANMX.*.*")


def test_a_template_may_say_the_location_and_leave_the_channel_to_the_object(tmp_path, made, find):
    channel = ChannelId("IU", "ANMO", "10", "BHZ")
    (tmp_path / "IU.ANMO.10.2024.001").write_bytes(
        made.encode(made.trace(np.arange(9), channel=channel, day=FIRST))
    )
    listing = find("IU.*.*.*", layout=Layout.named("{net}.{sta}.{loc}.{year}.{doy}"))
    assert held(listing) == {0: ["10.BHZ"]}


def test_a_bucket_laid_out_so_is_looked_into_over_s3(s3, bucket, put, find, looked):
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    place = {"url": f"s3://{bucket}", "options": s3.options()}
    for number in range(4):
        put(number, ("00.BHZ", "10.BHZ"), **place)
    put(2, ("00.BHZ", "10.BHZ"), version=2, **place)
    put(0, station="COLA", **place)
    listing = find("IU.ANMO.*.*", **place)
    assert held(listing) == {n: ["00.BHZ", "10.BHZ"] for n in range(4)}
    assert [item.path[-2:] for item in listing.objects if item.day.day == 3] == ["#2", "#2"]
    assert len(looked) == 2


def test_an_object_that_cannot_be_fetched_is_named(put, find, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    def refuse(self, path, **options):
        raise PermissionError(13, "Permission denied")

    put(0)
    monkeypatch.setattr(LocalFileSystem, "cat_file", refuse)
    with pytest.raises(ArchiveError, match=r"cannot look into .*ANMO\.IU\.2024\.001 .*: access denied"):
        find("IU.*.*.*")
