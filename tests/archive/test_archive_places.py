"""Public archives are listed alike from a disk and from a real S3 server, by the narrowest prefixes."""

import datetime as dt
import re

import fsspec
import pytest
import s3server
from fsspec.implementations.local import LocalFileSystem

from couloir.archive.layout import PRESETS, Layout
from couloir.archive.listing import list_objects
from couloir.errors import ArchiveError
from couloir.identifiers import ChannelId, Pattern
from couloir.storage import Patience, open_place

DAYS = [dt.date(2023, 12, 30) + dt.timedelta(days=k) for k in range(3)]
STATIONS = [("CI", "GSC", ""), ("CI", "SDDXX", "2C"), ("NC", "KBG", "10")]
CODES = ("BHZ", "HHE", "HHZ")
ONE_CHANNEL = [name for name in PRESETS if Layout.named(name).names_channels]
IMPATIENT = Patience(total_s=0.5, attempt_s=0.5)


class Place:
    """An archive's root on a disk or in a bucket, and what was asked of it."""

    def __init__(self, url, options):
        self.url, self.options = url, options
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # what has read the environment keeps its keys
        self.file_system, self.root = open_place(url, options)
        if isinstance(self.file_system, LocalFileSystem):
            self.file_system.auto_mkdir = True

    def put(self, path, data=b"x"):
        self.file_system.pipe_file(f"{self.root}/{path}", data)

    def fill(self, layout):
        for network, station, location in STATIONS:
            for code in CODES:
                for day in DAYS:
                    self.put(layout.path(ChannelId(network, station, location, code), day))
        self.put("index/readme.txt")

    def find(self, layout, *patterns, days=DAYS, **options):
        return list_objects(
            self.url,
            layout,
            patterns=[Pattern.parse(text) for text in patterns],
            days=days,
            storage_options=self.options,
            **options,
        )


@pytest.fixture(params=["disk", "s3"])
def place(request, tmp_path):
    if request.param == "disk":
        return Place(str(tmp_path), {})
    s3 = request.getfixturevalue("s3")
    return Place(f"s3://{request.getfixturevalue('bucket')}", s3.options())


def told(listing):
    return {(str(item.channel), item.day) for item in listing.objects}


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_a_public_archive_is_listed_by_its_preset(place, name):
    layout = Layout.named(name)
    place.fill(layout)
    everything = {(f"{n}.{s}.{loc}.{c}", day) for n, s, loc in STATIONS for c in CODES for day in DAYS}
    assert told(place.find(layout, "*.*.*.*")) == everything
    wanted = {(channel, day) for channel, day in everything if re.fullmatch(r"CI\..*\.HH.", channel)}
    assert told(place.find(layout, "CI.*.*.HH?")) == wanted
    assert told(place.find(layout, "CI.GSC.--.BHZ", "NC.*.10.HHE", days=DAYS[1:2])) == {
        ("CI.GSC..BHZ", DAYS[1]),
        ("NC.KBG.10.HHE", DAYS[1]),
    }


def test_the_highest_version_of_an_object_is_taken_and_told(place):
    layout = Layout.named("{year}/{net}.{sta}.{loc}.{cha}.{year}.{doy}[#{version}]")
    channel = ChannelId("TA", "A04A", "", "BHZ")
    for version, data in ((None, b"x"), (2, b"xx"), (10, b"xxx"), (9, b"xxxx")):
        place.put(layout.path(channel, DAYS[0], version=version), data)
    place.put(layout.path(channel, DAYS[1]))
    listing = place.find(layout, "TA.*.*.*")
    assert [(item.day, item.size) for item in listing.objects] == [(DAYS[0], 3), (DAYS[1], 1)]
    assert listing.objects[0].path.endswith("#10")
    assert place.file_system.cat_file(listing.objects[0].path) == b"xxx"
    assert list(listing.left_out.values()) == [3]
    assert "older version" in next(iter(listing.left_out))


@pytest.fixture
def keys_listed(monkeypatch):
    """Write down the key prefixes that are listed in buckets."""
    from s3fs import S3FileSystem

    prefixes = []
    plain = S3FileSystem._iterdir

    def iterdir(self, bucket, max_items=None, delimiter="/", prefix="", versions=False):
        prefixes.append(prefix)
        return plain(self, bucket, max_items=max_items, delimiter=delimiter, prefix=prefix, versions=versions)

    monkeypatch.setattr(S3FileSystem, "_iterdir", iterdir)
    return prefixes


@pytest.mark.parametrize(
    ("patterns", "ends"),
    [
        (["CI.GSC.*.HH?"], ["CIGSC__HH"]),
        (["CI.*.*.*"], ["CI"]),
        (["CI.GSC.--.HHZ", "NC.KBG.10.HHZ"], ["CIGSC__HHZ___2023364.ms", "NCKBG__HHZ10_2023364.ms"]),
        (["CI.G*.*.*", "CI.GSC.*.*"], ["CIG"]),
    ],
)
def test_a_folder_that_all_stations_share_is_listed_by_the_codes_that_are_known(
    s3, bucket, keys_listed, patterns, ends
):
    place = Place(f"s3://{bucket}", s3.options())
    layout = Layout.named("scedc")
    place.fill(layout)
    keys_listed.clear()
    place.find(layout, *patterns, days=DAYS[:1])
    assert sorted(keys_listed) == [f"continuous_waveforms/2023/2023_364/{end}" for end in ends]


def test_many_stations_are_listed_by_what_their_names_have_in_common(s3, bucket, keys_listed):
    place = Place(f"s3://{bucket}", s3.options())
    layout = Layout.named("scedc")
    place.fill(layout)
    keys_listed.clear()
    listing = place.find(layout, "CI.GSC.*.*", *(f"CI.G{n:03d}.*.*" for n in range(40)), days=DAYS[:1])
    assert keys_listed == ["continuous_waveforms/2023/2023_364/CIG"]
    assert len(listing.objects) == len(CODES)


def test_more_than_a_page_of_objects_is_listed_whole(s3, bucket):
    place = Place(f"s3://{bucket}", s3.options())
    layout = Layout.named("scedc")
    stations = [f"S{number:03d}" for number in range(1_100)]
    keys = [layout.path(ChannelId("CI", station, "", "HHZ"), DAYS[0]) for station in stations]
    place.file_system.pipe({f"{bucket}/{key}": b"" for key in keys}, batch_size=64)
    assert len(place.find(layout, "CI.*.*.*", days=DAYS[:1]).objects) == 1_100


def test_a_bucket_that_does_not_exist_is_one_clear_sentence(s3):
    place = Place("s3://no-such-bucket/miniseed", s3.options())
    for layout in map(Layout.named, ("sds", "scedc")):
        with pytest.raises(ArchiveError) as caught:
            place.find(layout, "CI.GSC.*.*")
        assert str(caught.value) == (
            "archive.url: cannot list s3://no-such-bucket/miniseed: the bucket does not exist"
        )


def test_a_prefix_that_does_not_exist_says_what_belongs_there(s3, bucket):
    s3.aws("s3api", "put-object", "--bucket", bucket, "--key", "elsewhere/x")
    with pytest.raises(ArchiveError, match=rf"s3://{bucket}/nowhere does not exist\. Give the folder or bucket"):
        Place(f"s3://{bucket}/nowhere", s3.options()).find(Layout.named("sds"), "*.*.*.*")


def test_denied_access_is_told_with_the_url(s3, bucket, monkeypatch):
    for name, value in s3server.READ_ONLY_KEYS.items():
        monkeypatch.setenv(name, value)
    place = Place(f"s3://{bucket}", s3.options())
    for layout in map(Layout.named, ("sds", "scedc")):
        with pytest.raises(ArchiveError, match=rf"cannot list s3://{bucket}.*: access denied") as caught:
            place.find(layout, "CI.GSC.*.*")
        assert "\n" not in str(caught.value)


def test_missing_credentials_are_told_with_what_to_set(s3, bucket, monkeypatch, tmp_path):
    for name in s3server.KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    place = Place(f"s3://{bucket}", s3.options())
    with pytest.raises(ArchiveError, match=rf"cannot list s3://{bucket}.*no credentials.*AWS_ACCESS_KEY_ID.*anon"):
        place.find(Layout.named("sds"), "CI.GSC.*.*")


def test_a_server_that_does_not_answer_is_told_in_time(s3, bucket):
    place = Place(f"s3://{bucket}", s3.options())
    s3.freeze(frozen=True)
    try:
        with pytest.raises(ArchiveError, match=rf"cannot list s3://{bucket}.*no answer in time"):
            place.find(Layout.named("sds"), "CI.GSC.*.*", patience=IMPATIENT)
    finally:
        s3.freeze(frozen=False)


def test_options_that_no_file_system_takes_are_an_error_of_the_url(tmp_path):
    with pytest.raises(ArchiveError, match=r"archive\.url: cannot open nosuch://x"):
        Place.find(type("Url", (), {"url": "nosuch://x", "options": {}})(), Layout.named("sds"), "*.*.*.*")
