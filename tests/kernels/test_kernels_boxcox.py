import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal, special, stats

from couloir.kernels.boxcox import fit_lambda, transform


def fitted(values) -> float:
    return fit_lambda(np.log(values).astype(np.float32)[None])[0]


def close(found, values) -> bool:
    """Compare with SciPy, within the exponents that are looked for."""
    return found == pytest.approx(np.clip(stats.boxcox(values)[1], -5, 5), abs=1e-3)


seeds = st.integers(0, 10**6)
sizes = st.sampled_from([300, 4_000, 16_384])


@settings(max_examples=25)
@given(seeds, sizes, st.floats(0.2, 2.5), st.floats(-12, 12))
def test_lambda_of_lognormal_values_is_that_of_scipy(seed, size, spread, level):
    values = np.random.default_rng(seed).lognormal(level, spread, size)
    assert close(fitted(values), values)


@settings(max_examples=25)
@given(seeds, sizes, st.floats(0.5, 30), st.floats(1e-6, 1e6))
def test_lambda_of_gamma_values_is_that_of_scipy(seed, size, shape, scale):
    values = np.maximum(np.random.default_rng(seed).gamma(shape, scale, size), 1e-6 * scale)
    assert close(fitted(values), values)


@settings(max_examples=25)
@given(seeds, sizes, st.floats(1e-3, 1e6))
def test_lambda_of_rayleigh_values_is_that_of_scipy(seed, size, scale):
    values = np.maximum(np.random.default_rng(seed).rayleigh(scale, size), 1e-6 * scale)
    assert close(fitted(values), values)


@settings(max_examples=20)
@given(seeds, st.floats(0.2, 8), st.floats(1, 300), st.floats(1, 20))
def test_lambda_of_a_transients_spectrogram_is_that_of_scipy(seed, onset, strength, corner):
    rng = np.random.default_rng(seed)
    noise = signal.lfilter([1], [1, -0.9], rng.normal(size=1_000))
    time = np.arange(1_000) / 50
    burst = strength * np.exp(-np.abs(time - onset)) * rng.normal(size=1_000) * (time > onset)
    values = np.abs(signal.stft(noise + burst, 50, nperseg=64, noverlap=48)[2]).ravel()
    values = np.maximum(values, 1e-6 * values.max())
    assert close(fitted(values), values)


def test_values_with_one_far_below_the_others_keep_their_lambda():
    values = np.append(np.random.default_rng(0).rayleigh(1.0, 20_000), 1e-6)
    assert close(fitted(values), values)


def test_rows_are_fitted_each_by_itself():
    rows = np.random.default_rng(1).normal(size=(3, 2_000)).astype(np.float32) ** 3
    assert fit_lambda(rows) == pytest.approx([fit_lambda(row[None])[0] for row in rows])


@given(st.floats(-50, 50, width=32), st.integers(1, 50))
def test_a_constant_row_has_the_exponent_one(value, size):
    assert fit_lambda(np.full((1, size), value, np.float32)).tolist() == [1.0]


@given(
    st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=30),
    st.one_of(st.floats(-5, 5), st.sampled_from([0.0, 1e-9, -1e-7, 1.0])),
)
def test_transform_is_that_of_scipy(logs, exponent):
    rows = np.array([logs], np.float32)
    expected = special.boxcox(np.exp(rows.astype(np.float64)), exponent)
    found = transform(rows, np.array([exponent]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_transform_with_lambda_zero_is_the_logarithm():
    rows = np.array([[-3.0, 0.0, 2.5]], np.float32)
    assert np.array_equal(transform(rows, np.zeros(1)), rows)


_FIT = """
import numpy as np
from couloir.kernels.boxcox import fit_lambda
logs = np.log(np.random.default_rng(7).gamma(2.0, 5.0, (20, 5_000))).astype(np.float32)
print(fit_lambda(logs).tobytes().hex())
"""


def test_the_exponents_do_not_depend_on_the_processor_that_blas_takes_this_one_for():
    def fit(**processor):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | processor
        told = subprocess.run([sys.executable, "-c", _FIT], env=environment, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        return told.stdout

    assert fit(OPENBLAS_CORETYPE="Prescott") == fit()
