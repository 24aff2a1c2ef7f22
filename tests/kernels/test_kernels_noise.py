import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from couloir.kernels.noise import NoiseCurve, NoiseLevel, measure_noise, measure_running_noise


@given(npst.arrays(np.float32, st.integers(1, 200), elements=st.floats(0, 2.0**20, width=32)))
def test_median_and_mad_agree_with_numpy_and_scipy(envelope):
    wide = envelope.astype(np.float64)
    noise = measure_noise(envelope)
    assert noise.median == pytest.approx(np.median(wide), rel=1e-6)
    assert noise.mad == pytest.approx(stats.median_abs_deviation(wide), rel=1e-5, abs=1e-6 * wide.max())


def test_median_and_mad_of_a_rayleigh_day_are_within_a_hundred_thousandth():
    envelope = np.random.default_rng(1).rayleigh(120.0, 500_001).astype(np.float32)
    noise = measure_noise(envelope)
    assert noise.median == pytest.approx(np.median(envelope.astype(np.float64)), rel=1e-5)
    assert noise.mad == pytest.approx(stats.median_abs_deviation(envelope.astype(np.float64)), rel=1e-5)


def test_the_envelope_itself_is_left_alone():
    envelope = np.array([3.0, 1.0, 2.0, 9.0], np.float32)
    measure_noise(envelope)
    assert envelope.tolist() == [3.0, 1.0, 2.0, 9.0]


def test_threshold_takes_the_raw_mad():
    noise = measure_noise(np.array([1, 2, 3, 4, 100], np.float32))
    assert (noise.median, noise.mad) == (3.0, 1.0)
    assert noise.threshold(12) == 15.0  # with the MAD scaled to a standard deviation it would be 20.8


@pytest.mark.parametrize(("mad", "varies"), [(0.0, False), (math.nan, False), (math.inf, False), (1e-9, True)])
def test_noise_without_a_finite_spread_does_not_vary(mad, varies):
    assert NoiseLevel(1.0, mad).varies is varies


def test_work_in_the_array_itself_gives_the_same():
    envelope = np.random.default_rng(1).rayleigh(120.0, 5_000).astype(np.float32)
    assert measure_noise(envelope.copy(), overwrite=True) == measure_noise(envelope)


RUNS = np.array([[100, 4_000], [5_000, 9_000]])
DAY = NoiseLevel(7.0, 3.0)


def test_each_position_of_a_running_window_is_the_noise_of_its_samples():
    envelope = np.random.default_rng(2).rayleigh(1.0, 10_000).astype(np.float32) * np.linspace(1, 9, 10_000)
    squared = np.square(envelope.astype(np.float32))
    curve = measure_running_noise(squared, RUNS, 1_000, day=DAY)
    assert np.diff(curve.positions).min() == 250
    valid = np.zeros(10_000, bool)
    for first, last in RUNS:
        valid[first:last] = True
    for position, median, mad in zip(curve.positions, curve.median, curve.mad, strict=True):
        near = slice(max(position - 500, 0), position + 500)
        held = np.sqrt(squared[near][valid[near]].astype(np.float64))
        assert len(held) >= 500
        assert median == pytest.approx(np.median(held), rel=1e-5)
        assert mad == pytest.approx(stats.median_abs_deviation(held), rel=1e-5)
    assert not ((curve.positions > 4_001) & (curve.positions < 5_000)).any()  # more gap than record


def test_between_positions_the_threshold_runs_on_a_line_and_beyond_them_level():
    curve = NoiseCurve(np.array([100, 300]), np.array([1.0, 3.0]), np.array([0.1, 0.2]))
    assert curve.at(200) == NoiseLevel(2.0, pytest.approx(0.15))
    assert curve.threshold(10, np.array([0, 100, 200, 300, 999])).tolist() == pytest.approx([2, 2, 3.5, 5, 5])
    assert np.array_equal(curve.threshold(10, slice(150, 160)), curve.threshold(10, np.arange(150, 160)))


@given(st.integers(0, 300_000), st.integers(0, 300_000))
def test_pieces_are_the_whole_stretch_and_no_more(first, length):
    level = NoiseCurve.level(DAY)
    changing = NoiseCurve(np.array([0, 9]), np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    for curve in (level, changing):
        covered = [
            position for piece in curve.pieces(first, first + length) for position in (piece.start, piece.stop)
        ]
        assert covered[:1] + covered[-1:] == ([first, first + length] if length else [])
        assert covered[1:-1:2] == covered[2:-1:2]


@pytest.mark.parametrize("squared", [np.zeros(10_000, np.float32), np.full(10_000, 4, np.float32)])
def test_where_no_window_varies_the_day_stands_in(squared):
    curve = measure_running_noise(squared, RUNS, 1_000, day=DAY)
    assert curve.at(5_000) == DAY
    assert measure_running_noise(squared, RUNS[:0], 1_000, day=DAY).at(5_000) == DAY
