import datetime as dt
import uuid

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from couloir.archive.layout import Layout
from couloir.archive.listing import list_objects
from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import ChannelId, Pattern

SDS = Layout.named("sds")
DAYS = [dt.date(2020, 12, 30) + dt.timedelta(days=i) for i in range(4)]
STATIONS = ["LH01", "LH02", "RF09"]
CHANNELS = ["EHE", "EHN", "EHZ", "BHZ"]


def ids(objects):
    return [(str(item.channel), item.day) for item in objects]


def fill(file_system, root, layout=SDS, days=DAYS, location="10"):
    for station in STATIONS:
        for code in CHANNELS:
            for day in days:
                path = f"{root}/{layout.path(ChannelId('GG', station, location, code), day)}"
                file_system.pipe_file(path, b"x" * 7)


@pytest.fixture(params=["local", "memory"])
def archive(request, tmp_path):
    url = str(tmp_path / "sds") if request.param == "local" else f"memory://{uuid.uuid4().hex}/sds"
    file_system, root = fsspec.core.url_to_fs(url, auto_mkdir=True)
    fill(file_system, root)
    yield url
    file_system.rm(root, recursive=True)


@pytest.fixture
def listed(monkeypatch):
    """Write down the folders that are listed on the local file system."""
    folders = []
    plain = LocalFileSystem.ls

    def ls(self, path, detail=False, **options):
        folders.append(path)
        return plain(self, path, detail=detail, **options)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    return folders


def find(url, *patterns, layout=SDS, days=DAYS):
    return list_objects(url, layout, patterns=[Pattern.parse(text) for text in patterns], days=days).objects


def test_wanted_station_days_and_no_others_are_listed(archive):
    found = find(archive, "GG.LH0?.10.EH?", days=DAYS[1:3])
    expected = [(f"GG.{s}.10.{c}", day) for s in STATIONS[:2] for c in CHANNELS[:3] for day in DAYS[1:3]]
    assert ids(found) == sorted(expected)
    assert {item.size for item in found} == {7}
    file_system, _ = fsspec.core.url_to_fs(archive)
    assert all(file_system.cat_file(item.path) == b"x" * 7 for item in found)


def test_several_patterns_list_each_channel_day_once(archive):
    found = find(archive, "GG.LH01.10.EHZ", "GG.LH01.*.*Z", "*.RF09.10.BHZ", days=DAYS[:1])
    assert [str(item.channel) for item in found] == ["GG.LH01.10.BHZ", "GG.LH01.10.EHZ", "GG.RF09.10.BHZ"]


def test_years_and_days_that_are_missing_are_passed_over(archive):
    days = [dt.date(2018, 1, 1) + dt.timedelta(days=i) for i in range(2_000)]
    assert {item.day for item in find(archive, "*.*.*.*", days=days)} == set(DAYS)


@pytest.mark.parametrize("location", ["", "10"])
def test_an_empty_location_is_told_from_a_written_one(tmp_path, location):
    fill(LocalFileSystem(auto_mkdir=True), str(tmp_path), location=location)
    pattern = f"GG.LH01.{location or '--'}.EHZ"
    assert len(find(str(tmp_path), pattern)) == len(DAYS)
    with pytest.raises(ArchiveError, match="location"):
        find(str(tmp_path), f"GG.LH01.{'10' if not location else '--'}.EHZ")


def test_a_spelled_out_channel_lists_its_own_folders_only(tmp_path, listed):
    fill(LocalFileSystem(auto_mkdir=True), str(tmp_path))
    find(str(tmp_path), "GG.LH01.10.EHZ")
    assert sorted(folder.removeprefix(f"{tmp_path}/") for folder in listed) == [
        "2020/GG/LH01/EHZ.D",
        "2021/GG/LH01/EHZ.D",
    ]


def test_a_pattern_goes_only_into_folders_that_may_match(tmp_path, listed):
    fill(LocalFileSystem(auto_mkdir=True), str(tmp_path))
    find(str(tmp_path), "GG.LH*.10.?HZ", days=DAYS[:1])
    below = sorted(folder.removeprefix(f"{tmp_path}/") for folder in listed)
    leaves = [f"2020/GG/{station}/{code}.D" for station in STATIONS[:2] for code in ("BHZ", "EHZ")]
    assert below == sorted(["2020/GG", "2020/GG/LH01", "2020/GG/LH02", *leaves])


def test_links_to_folders_are_followed(tmp_path):
    fill(LocalFileSystem(auto_mkdir=True), str(tmp_path / "disk"))
    (tmp_path / "sds" / "2020").mkdir(parents=True)
    (tmp_path / "sds" / "2020" / "GG").symlink_to(tmp_path / "disk" / "2020" / "GG")
    assert len(find(str(tmp_path / "sds"), "*.LH01.10.EHZ")) == 2


@pytest.mark.parametrize(
    "template",
    ["{sta}/{cha}/{year}{month}{day}.ms", "{year}/{month}/{day}/{sta}.{cha}.sac", "{sta}.{cha}.{year}.{doy}"],
)
def test_other_layouts_take_what_they_leave_out_from_the_pattern(tmp_path, template):
    layout = Layout.named(template)
    fill(LocalFileSystem(auto_mkdir=True), str(tmp_path), layout)
    (tmp_path / "readme.txt").write_text("not of the archive")
    assert ids(find(str(tmp_path), "GG.LH01.10.E*", layout=layout, days=DAYS[:1])) == [
        (f"GG.LH01.10.{code}", DAYS[0]) for code in CHANNELS[:3]
    ]
    with pytest.raises(ConfigError, match="does not say the network"):
        find(str(tmp_path), "*.LH01.10.EHZ", layout=layout)


def test_days_that_no_calendar_has_are_no_objects(tmp_path):
    folder = tmp_path / "2020" / "GG" / "LH01" / "EHZ.D"
    folder.mkdir(parents=True)
    for doy in ("000", "366", "367", "999"):
        (folder / f"GG.LH01.10.EHZ.D.2020.{doy}").write_bytes(b"x")
    days = [dt.date(2019, 12, 31), dt.date(2020, 12, 31), dt.date(2021, 1, 1)]
    assert ids(find(str(tmp_path), "*.*.*.*", days=days)) == [("GG.LH01.10.EHZ", dt.date(2020, 12, 31))]


def test_version_changes_with_the_file(tmp_path):
    fill(LocalFileSystem(auto_mkdir=True), str(tmp_path))
    before = find(str(tmp_path), "GG.LH01.10.EHZ", days=DAYS[:1])
    assert before == find(str(tmp_path), "GG.LH01.10.EHZ", days=DAYS[:1])
    (tmp_path / "2020/GG/LH01/EHZ.D/GG.LH01.10.EHZ.D.2020.365").write_bytes(b"other")
    assert before != find(str(tmp_path), "GG.LH01.10.EHZ", days=DAYS[:1])


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("GG.LH91.10.EHZ", ["station LH91 is not there", "'LH01'"]),
        ("GG.LH9?.10.EHZ", ["station LH9? is not there", "'LH01'", "'RF09'"]),
        ("GH.*.*.*", ["network GH is not there", "'GG'"]),
        ("GG.*.00.*", ["location 00 is not there", "'10'"]),
        ("GG.LH01.10.HH?", ["channel HH? is not there", "'EHZ'"]),
    ],
)
def test_a_pattern_that_selects_nothing_is_shown_with_the_nearest_names(archive, pattern, words):
    with pytest.raises(ArchiveError) as caught:
        find(archive, pattern)
    text = str(caught.value)
    assert all(word in text for word in [pattern, archive, *words])


def test_a_period_without_recordings_is_named(archive):
    with pytest.raises(ArchiveError, match=r"2001-01-01 to 2001-01-02[\s\S]*archive.start"):
        find(archive, "*.*.*.*", days=[dt.date(2001, 1, 1), dt.date(2001, 1, 2)])


def test_files_that_are_not_of_the_layout_are_shown(tmp_path):
    folder = tmp_path / "2020" / "GG" / "LH01" / "EHZ.D"
    folder.mkdir(parents=True)
    (folder / "day 365.sac").write_bytes(b"x")
    with pytest.raises(ArchiveError, match="nothing in"):
        find(str(tmp_path), "*.*.*.*")
    flat = Layout.named("{net}.{sta}.{loc}.{cha}.{year}.{doy}")
    (tmp_path / "day 365.sac").write_bytes(b"x")
    with pytest.raises(ArchiveError, match=r"day 365\.sac"):
        find(str(tmp_path), "*.*.*.*", layout=flat)


def test_an_archive_that_does_not_exist_is_an_error_with_its_url(tmp_path):
    with pytest.raises(ArchiveError, match=r"/nowhere does not exist"):
        find(str(tmp_path / "nowhere"), "*.*.*.*")
