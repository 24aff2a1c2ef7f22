"""A plan counts what exists, says what does not, and refuses when nothing matches."""

import datetime as dt

import pytest

from couloir.errors import ArchiveError, ConfigError
from couloir.stages.plan import plan
from couloir.terminal import show_plan

from .conftest import FIRST, SECOND, Station, make_config


def test_it_counts_days_and_bytes_that_exist_and_names_the_missing(station, tmp_path):
    station.write(SECOND)
    end = SECOND + dt.timedelta(days=3)
    made = plan(make_config(station.root, tmp_path / "out", archive={"end": end}))
    (band,) = made.bands
    assert made.station_days == band.days == 1
    assert band.size == sum(station.path(SECOND, channel).stat().st_size for channel in station.channels)
    assert band.missing == ((FIRST, FIRST), (dt.date(2024, 2, 2), dt.date(2024, 2, 3)))
    assert made.missing_days == 3
    assert made.core_seconds > 0
    assert 300e6 < made.memory_bytes < 2e9


def test_days_just_outside_the_period_are_known_and_not_chosen(station, tmp_path):
    station.write()
    made = plan(make_config(station.root, tmp_path / "out", archive={"start": FIRST, "end": SECOND}))
    assert [key.day for key in made.inventory.chosen] == [FIRST]
    assert {key.day for key in made.inventory.files} == {FIRST, SECOND}


def test_a_selection_that_matches_nothing_names_the_nearest_there_is(station, tmp_path):
    station.write(FIRST)
    with pytest.raises(ArchiveError, match=r"station AAB is not there; there are: 'AAA'"):
        plan(make_config(station.root, tmp_path / "out", archive={"select": ["XX.AAB.*.HH?"]}))


def test_a_period_without_recordings_says_which_days_there_are(station, tmp_path):
    station.write(SECOND)
    with pytest.raises(ArchiveError, match=r"2024-02-01.*archive\.end \(exclusive\)"):
        plan(make_config(station.root, tmp_path / "out", archive={"start": FIRST, "end": SECOND}))


def test_a_day_without_all_components_is_counted(station, tmp_path):
    station.write()
    station.path(FIRST, "HHN").unlink()
    (band,) = plan(make_config(station.root, tmp_path / "out")).bands
    assert (band.days, band.incomplete, band.components) == (2, 1, "ENZ")


def test_a_pattern_that_matches_nothing_beside_one_that_does_is_told(station, tmp_path):
    station.write()
    select = ["XX.AAA.*.HH?", "XX.BBB.*.HH?"]
    made = plan(make_config(station.root, tmp_path / "out", archive={"select": select}))
    assert made.unmatched == ("XX.BBB.*.HH?",)


def test_workers_too_small_for_a_station_day_are_refused_before_anything_runs(station, tmp_path):
    station.write()
    with pytest.raises(ConfigError, match=r"compute\.memory_gb \(0\.1\) is less than"):
        plan(make_config(station.root, tmp_path / "out", compute={"memory_gb": 0.1}))


def test_a_band_whose_filter_never_ends_is_refused_at_plan_time(station, tmp_path):
    station.write()
    with pytest.raises(ConfigError, match=r"detect\.band.*lower corner"):
        plan(make_config(station.root, tmp_path / "out", detect={"band": [0.00001, 8.0]}))


def test_an_unknown_protocol_is_a_clear_error(station, tmp_path):
    with pytest.raises(ArchiveError, match=r"cannot open nosuch://x"):
        plan(make_config("nosuch://x", tmp_path / "out"))


def test_it_counts_what_exists_and_not_stations_times_days(station, tmp_path):
    station.write()
    Station(station.root, name="BBB").write(FIRST)
    period = {"start": FIRST - dt.timedelta(days=40), "end": SECOND + dt.timedelta(days=40)}
    made = plan(make_config(station.root, tmp_path / "out", archive=period))
    assert made.station_days == 3
    assert {str(band.band): band.days for band in made.bands} == {"XX.AAA.00.HH": 2, "XX.BBB.00.HH": 1}
    assert made.size == sum(path.stat().st_size for path in station.root.rglob("*") if path.is_file())


@pytest.mark.parametrize(("end", "last"), [(SECOND, FIRST), (SECOND + dt.timedelta(days=1), SECOND)])
def test_the_end_is_exclusive_and_the_day_before_it_is_kept(station, tmp_path, end, last):
    station.write()
    made = plan(make_config(station.root, tmp_path / "out", archive={"start": FIRST, "end": end}))
    assert made.inventory.chosen[-1].day == last
    assert made.period_days == (end - FIRST).days


def join_channels(root, target):
    """Put the channels of each station-day of an SDS archive into one object, as EarthScope has them."""
    days = {}
    for path in sorted(root.rglob("*.D.*")):
        network, name, _, _, _, year, doy = path.name.split(".")
        days.setdefault((network, name, year, doy), []).append(path.read_bytes())
    for (network, name, year, doy), parts in days.items():
        folder = target / "miniseed" / network / year / doy
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.{network}.{year}.{doy}").write_bytes(b"".join(parts))


def test_objects_of_all_channels_plan_the_same_station_days_and_name_the_other_bands(station, tmp_path, capsys):
    station.write()
    Station(station.root, channels=("BHE", "BHN", "BHZ")).write(FIRST)
    join_channels(station.root, tmp_path / "joined")
    alone = plan(make_config(station.root, tmp_path / "out"))
    joined = plan(make_config(tmp_path / "joined", tmp_path / "out", archive={"layout": "earthscope"}))
    assert joined.inventory.chosen == alone.inventory.chosen
    (band,) = joined.bands
    files = [path for path in (tmp_path / "joined").rglob("*.XX.*") if path.is_file()]
    assert band.size == sum(path.stat().st_size for path in files)
    assert {str(other): days for other, days in band.beside.items()} == {"XX.AAA.00.BH": 1}
    show_plan(joined, 1)
    told = capsys.readouterr().out
    assert "left out of its station" in told
    assert "00.BH" in told
    assert "archive.band_priority" in told


def test_what_is_detected_is_the_same_from_objects_of_all_channels(station, tmp_path, run):
    for hour in (2, 9):
        station.burst(f"2024-01-31T{hour:02d}:00:00")
    station.burst("2024-01-31T23:59:58.5", 4.0)
    station.write()
    join_channels(station.root, tmp_path / "joined")
    alone = run(output="alone")
    station.root = tmp_path / "joined"
    joined = run(output="joined", archive={"layout": "earthscope"})
    assert len(alone.events) >= 3
    assert joined.events == alone.events
    assert [outcome.status for outcome in joined.outcomes] == ["ok", "ok"]
    assert [outcome.remarks for outcome in joined.outcomes] == [outcome.remarks for outcome in alone.outcomes]


def test_a_day_whose_object_lost_the_sensor_is_unreadable_and_says_what_is_there(station, tmp_path, run):
    station.write(FIRST)
    third = SECOND + dt.timedelta(days=1)
    station.levels[third] = 100.0
    station.write(third)
    station.levels[SECOND] = 100.0
    Station(station.root, channels=("LHZ",), levels={SECOND: 100.0}).write(SECOND)
    join_channels(station.root, tmp_path / "joined")
    station.root = tmp_path / "joined"
    made = run(archive={"layout": "earthscope", "end": third + dt.timedelta(days=1)})
    assert [outcome.status for outcome in made.outcomes] == ["ok", "unreadable", "ok"]
    assert "holds no records of XX.AAA.00.HH?; it holds 00.LHZ" in made.outcomes[1].reason
