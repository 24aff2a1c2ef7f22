import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couloir.kernels.rate import MAX_DRIFT_S, nominal_rate, resample


@pytest.mark.parametrize(
    ("rate", "duration", "expected"),
    [
        (40.00002, 86_400, 40.0),
        (99.99999, 86_400, 100.0),
        (100.01, 86_400, 100.01),
        (100.01, 5, 100.0),
        (100.00001, 30 * 86_400, 100.00001),
        (0.1, 86_400, 0.1),
        (33.3333333, 86_400, 33.3333333),
        (62.5, 60, 62.5),
    ],
)
def test_a_rate_is_rounded_where_that_moves_no_sample(rate, duration, expected):
    assert nominal_rate(rate, duration) == expected


@given(st.floats(0.5, 1000), st.floats(0.01, 1e7))
def test_rounding_a_rate_never_drifts_further_than_allowed(rate, duration):
    nominal = nominal_rate(rate, duration)
    assert nominal == rate or (
        nominal.is_integer() and abs(nominal / rate - 1) * duration <= MAX_DRIFT_S * (1 + 1e-9)
    )


RATES = [20.0, 40.0, 50.0, 62.5, 100 / 3, 120.0, 200.0, 250.0, 500.0, 99.9997, 100.003, 100.01, 50.00123, 199.98]


@pytest.mark.parametrize("rate", RATES)
def test_a_sine_below_both_nyquists_is_that_sine_at_the_target_rate(rate):
    frequency = 0.4 * min(rate, 100.0)
    n = round(120 * rate)

    def wave(time):
        return 5e5 - 40 * time + np.sin(2 * np.pi * frequency * time + 0.3)

    found = resample(wave(np.arange(n) / rate), rate, 100.0)
    expected = wave(np.arange(len(found)) / 100.0)
    assert len(found) == math.ceil(n * 100.0 / rate - 1e-6)
    assert np.abs(found - expected)[500:-500].max() < 1e-4


@pytest.mark.parametrize("rate", [200.0, 250.0, 500.0, 199.98])
def test_what_lies_above_the_target_nyquist_is_not_folded_back(rate):
    tone = np.sin(2 * np.pi * 58.0 * np.arange(round(60 * rate)) / rate)
    assert np.abs(resample(tone, rate, 100.0))[200:-200].max() < 1e-4


@pytest.mark.parametrize("rate", [100.00003, 99.99])
def test_a_rate_that_is_slightly_off_shifts_no_sample_of_hours(rate):
    n = round(3 * 3_600 * rate)
    time = np.arange(n) / rate
    found = resample(np.sin(2 * np.pi * 7.0 * time), rate, 100.0)
    assert np.abs(found - np.sin(2 * np.pi * 7.0 * np.arange(len(found)) / 100.0))[200:-200].max() < 1e-3


def test_the_target_rate_changes_nothing():
    samples = np.array([4, 9, -3], np.int32)
    assert resample(samples, 100.0, 100.0).tolist() == [4.0, 9.0, -3.0]


@settings(max_examples=60)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=8), st.sampled_from(RATES))
def test_segments_of_few_samples_keep_their_first_and_stay_finite(samples, rate):
    found = resample(np.array(samples), rate, 100.0)
    assert np.isfinite(found).all()
    assert abs(len(found) - len(samples) * 100.0 / rate) <= max(1.0, 100.0 / rate)


@given(st.integers(-(10**9), 10**9), st.sampled_from(RATES))
def test_a_constant_stays_that_constant(value, rate):
    found = resample(np.full(50, value), rate, 100.0)
    assert found == pytest.approx(value, rel=1e-12)
