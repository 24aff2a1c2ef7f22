import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from couloir.kernels.noise import NoiseLevel, measure_noise


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
