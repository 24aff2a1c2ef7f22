import pytest

from couloir.catalog.clusters import ClusterRow, read_clusters, write_clusters
from couloir.catalog.truth import read_labels, read_truth
from couloir.errors import ConfigError
from couloir.store.location import Location


def read(folder, text):
    (folder / "labels.csv").write_text(text)
    return read_labels(Location(str(folder / "labels.csv")))


def test_events_and_intervals_may_stand_in_one_table(tmp_path):
    rows = "event_id,class,station,start_time,end_time\ne1,rockfall,,,\n"
    rows += ",vehicle,AAA,2024-01-01T00:00:01Z,2024-01-01T00:00:02Z\n"
    by_id, (interval,) = read(tmp_path, rows)
    assert by_id == {"e1": "rockfall"}
    assert (interval.station, interval.name) == ("AAA", "vehicle")
    assert interval.end - interval.start == 1_000_000_000


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("event_id\ne1\n", "must have the columns class and event_id, or station"),
        ("event_id,class\ne1,\n", "line 2: no class"),
        ("event_id,class\n,a\n", "line 2: neither an event_id nor station"),
        ("event_id,class\ne1,a\ne1,b\n", "line 3: e1 is a further up and b here"),
        ("event_id,class\ne1, Unknown\n", "line 2: the class 'Unknown' is kept for events unlike any"),
        ("station,class,start_time,end_time\nA,a,2024-01-02,2024-01-01\n", "line 2: it ends .2024-01-01. before"),
        ("station,class,start_time,end_time\nA,a,never,2024-01-01\n", "line 2: .*never"),
    ],
)
def test_what_cannot_be_used_is_told_with_file_and_line(tmp_path, text, what):
    with pytest.raises(ConfigError, match=rf"catalog\.labels: .*labels\.csv.*{what}"):
        read(tmp_path, text)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_of_a_spreadsheet_is_no_part_of_the_table(tmp_path, mark):
    assert read(tmp_path, f"{mark}event_id,class\ne1,éboulement\n")[0] == {"e1": "éboulement"}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_told_with_its_line(tmp_path, encoding):
    (tmp_path / "labels.csv").write_text("event_id,class\ne1,rockfall\ne2,éboulement\n", encoding=encoding)
    line = {"latin-1": 3, "utf-16": 1}[encoding]
    with pytest.raises(ConfigError, match=rf"labels\.csv line {line} is not UTF-8\. Save it as CSV UTF-8"):
        read_labels(Location(str(tmp_path / "labels.csv")))


def test_a_truth_table_is_held_to_the_same(tmp_path):
    head = "station,class,start_time,end_time\n"
    for row, what in [
        ("A,unknown,2024-01-01,2024-01-02", "is kept for events"),
        ("A,,2024-01-01,2024-01-02", "no class"),
        ("A,a,2024-01-02,2024-01-01", "before it starts"),
    ]:
        (tmp_path / "truth.csv").write_text(f"{head}{row}\n")
        with pytest.raises(ConfigError, match=rf"catalog\.truth: .*truth\.csv line 2: .*{what}"):
            read_truth(Location(str(tmp_path / "truth.csv")))


@pytest.mark.parametrize("name", ["NA", "nan", "null", "N/A", "-", "a,b", "[/x]"])
def test_a_class_of_any_name_is_read_back_from_the_table_of_clusters(tmp_path, name):
    place = Location(str(tmp_path))
    rows = [
        ClusterRow(0, 2, 0.5, 1, 4, 2.0, 9.0, 0.9, 0, name, 1.0, 2),
        ClusterRow(1, 0, 0.5, 1, None, None, None, None, 0, None, None, 0),
    ]
    write_clusters(place, rows)
    assert read_clusters(place) == rows


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.csv does not exist"):
        read_labels(Location(str(tmp_path / "none.csv")))


def test_a_folder_in_the_place_of_the_table_is_told_with_the_setting(tmp_path):
    with pytest.raises(ConfigError, match=r"catalog\.labels: cannot read "):
        read_labels(Location(str(tmp_path)))
