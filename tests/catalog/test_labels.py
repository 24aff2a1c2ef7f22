import pytest

from couloir.catalog.truth import read_labels
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
        ("station,class,start_time,end_time\nA,a,never,2024-01-01\n", "line 2: .*never"),
    ],
)
def test_what_cannot_be_used_is_told_with_file_and_line(tmp_path, text, what):
    with pytest.raises(ConfigError, match=rf"catalog\.labels: .*labels\.csv.*{what}"):
        read(tmp_path, text)


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.csv does not exist"):
        read_labels(Location(str(tmp_path / "none.csv")))
