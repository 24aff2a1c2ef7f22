"""A trigger at midnight belongs to exactly one day, and its window reaches into the other."""

import numpy as np
import obspy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import FIRST, RATE, SECOND

MIDNIGHT = obspy.UTCDateTime("2024-02-01").ns


def near_midnight(run, seconds=120):
    return [event for event in run.events if abs(event[2] - MIDNIGHT) < seconds * 1_000_000_000]


@pytest.mark.parametrize("start", ["2024-01-31T23:59:58.5", "2024-01-31T23:59:55", "2024-02-01T00:00:00.5"])
def test_an_event_at_midnight_appears_once_with_its_samples_from_both_files(station, run, start):
    onset = station.burst(start)
    station.write()
    found = near_midnight(result := run())
    assert len(found) == 1
    block, window, trigger = found[0]
    assert abs(trigger - onset) < 0.3e9
    assert block.endswith("2024-01" if onset < MIDNIGHT else "2024-02")
    index = result.events.index(found[0])
    waveform = result.archive.waveforms(np.array([index]))[0]
    first = round((window - obspy.UTCDateTime("2024-01-31").ns) * RATE / 1e9)
    for row in range(3):
        both_days = np.concatenate([station.samples(FIRST, row), station.samples(SECOND, row)])
        np.testing.assert_array_equal(waveform[row], both_days[first : first + 400])


def test_days_with_different_noise_neither_lose_nor_repeat_the_event(station, run):
    """Each day has its own threshold: a growing event passes the quiet day's before, the loud day's after."""
    for levels in ((50.0, 2000.0), (2000.0, 50.0)):
        station.levels = {FIRST: levels[0], SECOND: levels[1]}
        station.bursts.clear()
        station.burst("2024-01-31T23:59:57", duration=8, amplitude=40_000)
        station.write()
        assert len(near_midnight(run(output=f"output-{levels[0]:.0f}"))) == 1


def test_a_long_trigger_over_midnight_gives_windows_that_follow_each_other(station, run):
    onset = station.burst("2024-01-31T23:59:30", duration=70)
    station.write()
    found = near_midnight(run())
    starts = [window for _, window, _ in found]
    assert len(found) == 4
    assert {block for block, _, _ in found} == {"XX.AAA.00.HH/2024-01"}
    assert np.diff(starts).tolist() == [20_000_000_000] * 3
    assert abs(starts[0] - (onset - 5_000_000_000)) < 0.3e9


def test_a_gap_at_midnight_parts_the_trigger(station, run):
    station.burst("2024-01-31T23:59:50", duration=20)
    lost = round(3 * RATE)
    station.write(FIRST)
    station.write(SECOND, edit=lambda data: [(3.0, data[lost:])])
    assert len(near_midnight(run())) == 2


def test_a_missing_neighbour_day_is_no_obstacle(station, run):
    station.burst("2024-01-31T23:59:50", duration=20)
    station.write(FIRST)
    result = run()
    assert [outcome.status for outcome in result.outcomes] == ["ok"]
    assert len(near_midnight(result)) == 1


def test_a_day_that_gives_no_events_owns_none(station, run):
    """The earlier day is too gappy to keep its triggers: what goes on after midnight is the later day's."""
    station.burst("2024-01-31T23:59:54", duration=14)
    kept = round(300 * RATE)
    station.write(FIRST, edit=lambda data: [(86_100.0, data[-kept:])])
    station.write(SECOND)
    result = run()
    assert [outcome.status for outcome in result.outcomes] == ["too_gappy", "ok"]
    assert [block for block, _, _ in near_midnight(result)] == ["XX.AAA.00.HH/2024-02"]


def test_a_day_outside_the_period_owns_none(station, run):
    station.burst("2024-01-31T23:59:54", duration=14)
    station.write()
    result = run(archive={"start": SECOND})
    assert len(near_midnight(result)) == 1


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.floats(-9, 6), duration=st.floats(1, 12), ratio=st.sampled_from([0.1, 1.0, 10.0]))
def test_wherever_an_event_lies_around_midnight_one_trigger_finds_it(tmp_path_factory, offset, duration, ratio):
    from couloir.stages.plan import plan
    from couloir.stages.station_day import REACH_DAYS, DayTask, detect_station_day

    from .conftest import Station, make_config

    root = tmp_path_factory.mktemp("midnight")
    station = Station(root, channels=("HHZ",), levels={FIRST: 100.0, SECOND: 100.0 * ratio})
    station.bursts.append((MIDNIGHT + int(offset * 1e9), duration, 40_000.0))
    station.write()
    config = make_config(root, root / "output")
    inventory = plan(config).inventory
    onsets = set()
    for key in inventory.chosen:
        task = DayTask(
            key,
            inventory.around(key, reach=REACH_DAYS),
            frozenset(inventory.chosen_around(key, reach=1)),
            config.archive,
            config.detect,
        )
        onsets |= {
            e.onset_time
            for e in detect_station_day(task, task.fetch()).events
            if abs(e.onset_time - MIDNIGHT) < 60e9
        }
    assert len(onsets) == 1
    # a burst of thousands of times the noise rings ahead of itself through the zero-phase filter
    assert abs(onsets.pop() - (MIDNIGHT + offset * 1e9)) < 4e9
