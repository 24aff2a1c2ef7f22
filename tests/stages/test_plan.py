"""A plan counts what exists, says what does not, and refuses when nothing matches."""

import datetime as dt

import pytest

from couloir.errors import ArchiveError, ConfigError
from couloir.stages.plan import plan

from .conftest import FIRST, SECOND, make_config


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
