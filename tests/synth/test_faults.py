import datetime as dt

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from couloir.synth import SynthSpec
from couloir.synth.faults import Faults, draw_faults
from couloir.synth.geometry import make_site

DAY = dt.date(2024, 3, 6)


def times_written(faults: Faults, total: int) -> np.ndarray:
    count = np.zeros(total, dtype=int)
    for low, high in faults.stretches(total):
        count[low:high] += 1
    return count


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 3), st.floats(0, 40), st.floats(0, 40))
def test_each_sample_is_written_as_often_as_the_faults_say(seed, number, gaps, overlaps):
    spec = SynthSpec(DAY, 1, seed=seed, sampling_rate=20.0, rates={"gap": gaps, "overlap": overlaps})
    faults = draw_faults(spec, make_site(seed, 0).stations[number], DAY)
    total = spec.samples_per_day
    expected = np.ones(total, dtype=int)
    for low, high in faults.gaps:
        expected[low:high] = 0
    for low, high in (*faults.repeats, *((seam, seam + 1) for seam in faults.seams)):
        expected[low:high] += 1
    assert np.array_equal(times_written(faults, total), expected)
    assert np.array_equal(faults.recorded(total), expected > 0)
    assert expected.max() <= 2


def test_a_day_that_is_one_gap_has_no_stretches():
    assert Faults(gaps=((0, 100),)).stretches(100) == []


def test_no_faults_are_drawn_when_they_are_switched_off():
    spec = SynthSpec(DAY, 1, faults=False, rates={"gap": 50.0, "overlap": 50.0})
    assert all(draw_faults(spec, station, DAY) == Faults() for station in make_site(1, 0).stations)


def test_some_stations_fail_and_some_never_do():
    spec = SynthSpec(DAY, 1, rates={"gap": 10.0})
    stations = [station for number in range(8) for station in make_site(1, number).stations]
    gaps = {
        station.index: sum(len(draw_faults(spec, station, DAY + dt.timedelta(days=i)).gaps) for i in range(5))
        for station in stations
    }
    assert min(gaps.values()) == 0
    assert max(gaps.values()) > 80
