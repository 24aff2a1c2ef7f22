import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from couloir.kernels.bandpass import design_bandpass

BANDS = {20.0: (1.0, 8.0), 50.0: (1.0, 20.0), 100.0: (1.0, 45.0), 200.0: (1.0, 45.0), 250.0: (1.0, 45.0)}
SMALL = design_bandpass((1.0, 8.0), 20.0, block=1024)


def reference(samples, band, rate, order=4, padding=None):
    """Detrend, filter both ways and take the analytic signal in float64, the plain way."""
    sections = signal.butter(order, band, "bandpass", fs=rate, output="sos")
    wide = signal.detrend(np.asarray(samples, np.float64), type="linear")
    return np.abs(signal.hilbert(signal.sosfiltfilt(sections, wide, padlen=padding)))


def recording(n, rate, seed=0):
    """Noise with a slow swell, some transients and a high tone: no part of the band stays empty."""
    rng = np.random.default_rng(seed)
    time = np.arange(n) / rate
    out = (
        rng.normal(0, 50, n)
        + 3_000 * np.sin(2 * np.pi * 0.15 * time)
        + 200 * np.sin(2 * np.pi * 0.4 * rate * time)
    )
    for onset in rng.integers(0, n, 5):
        length = min(n - onset, round(3 * rate))
        out[onset : onset + length] += 5_000 * np.exp(-np.arange(length) / rate) * rng.normal(size=length)
    return out


@pytest.mark.parametrize("rate", BANDS)
@pytest.mark.parametrize("order", [2, 4])
def test_envelope_agrees_with_scipy_away_from_the_ends(rate, order):
    bandpass = design_bandpass(BANDS[rate], rate, order=order)
    samples = recording(round(800 * rate), rate)
    expected = reference(samples, BANDS[rate], rate, order)
    found = np.sqrt(bandpass.squared_envelope(samples))
    inner = slice(round(20 * rate), -round(20 * rate))
    assert found.dtype == np.float32
    assert np.abs(found - expected)[inner].max() < 1e-4 * expected.max()


def test_a_segment_longer_than_a_block_has_no_seams():
    bandpass = design_bandpass((1.0, 45.0), 100.0)
    samples = recording(3 * bandpass.block + 17, 100.0, seed=3)
    expected = reference(samples, (1.0, 45.0), 100.0)
    found = np.sqrt(bandpass.squared_envelope(samples))
    assert np.abs(found - expected)[2000:-2000].max() < 1e-4 * expected.max()


@settings(max_examples=40)
@given(
    n=st.integers(3, 20_000),
    block=st.sampled_from([1 << 10, 1 << 11, 3000, 1 << 13, 1 << 15]),
    seed=st.integers(0, 99),
)
def test_result_does_not_depend_on_the_block_size(n, block, seed):
    samples = recording(n, 20.0, seed)
    expected = np.sqrt(SMALL.squared_envelope(samples))
    found = np.sqrt(design_bandpass((1.0, 8.0), 20.0, block=block).squared_envelope(samples))
    assert np.abs(found - expected).max() <= 1e-5 * expected.max()


@settings(max_examples=40)
@given(n=st.integers(3, 5_000), offset=st.integers(-(10**6), 10**6), rise=st.floats(-1e5, 1e5))
def test_an_offset_and_a_slope_change_nothing(n, offset, rise):
    samples = recording(n, 20.0, seed=n)
    expected = np.sqrt(SMALL.squared_envelope(samples))
    found = np.sqrt(SMALL.squared_envelope(samples + offset + rise * np.linspace(0, 1, n)))
    assert np.abs(found - expected).max() <= 1e-5 * expected.max()


@pytest.mark.parametrize("offset", [1_000_000, 50_000_000, 2_000_000_000])
def test_no_offset_costs_digits(offset):
    samples = np.rint(recording(60_000, 20.0)).astype(np.int32)
    expected = np.sqrt(SMALL.squared_envelope(samples))
    found = np.sqrt(SMALL.squared_envelope(samples + np.int32(offset)))
    assert np.abs(found - expected).max() <= 1e-6 * expected.max()


def test_integers_and_floats_give_the_same():
    counts = np.rint(recording(5_000, 20.0)).astype(np.int32) + 2_000_000
    assert np.array_equal(SMALL.squared_envelope(counts), SMALL.squared_envelope(counts.astype(np.float64)))


@settings(max_examples=30)
@given(exponent=st.floats(-6, 9), n=st.integers(3, 3_000))
def test_envelope_scales_with_the_recording(exponent, n):
    samples, scale = recording(n, 20.0, seed=n), 10.0**exponent
    expected = scale * np.sqrt(SMALL.squared_envelope(samples))
    found = np.sqrt(SMALL.squared_envelope(scale * samples))
    assert np.abs(found - expected).max() <= 1e-5 * expected.max()


@pytest.mark.parametrize("n", range(12))
def test_segments_of_few_samples_give_as_many_finite_values(n):
    envelope = SMALL.squared_envelope(np.arange(n, dtype=np.int32) ** 2)
    assert envelope.shape == (n,)
    assert np.isfinite(envelope).all()


def test_a_constant_and_a_ramp_have_no_envelope():
    assert SMALL.squared_envelope(np.full(4_000, 7_000_000)).max() == 0
    assert np.sqrt(SMALL.squared_envelope(np.arange(4_000) * 1_000).max()) < 1e-3


def test_envelope_of_a_tone_in_the_band_is_its_amplitude():
    tone = 400 * np.sin(2 * np.pi * 10.0 * np.arange(20_000) / 100.0)
    envelope = np.sqrt(design_bandpass((1.0, 45.0), 100.0).squared_envelope(tone))
    assert envelope[2_000:-2_000] == pytest.approx(400, rel=1e-3)


def test_a_low_corner_takes_longer_blocks_and_stays_exact():
    bandpass = design_bandpass((0.01, 8.0), 20.0)
    assert bandpass.block >= 8 * bandpass.overlap
    samples = recording(60_000, 20.0)
    expected = reference(samples, (0.01, 8.0), 20.0, padding=40_000)  # SciPy's own is too short for this corner
    inner = slice(20_000, -20_000)
    found = np.sqrt(bandpass.squared_envelope(samples))
    assert np.abs(found - expected)[inner].max() < 1e-4 * expected.max()


def test_a_corner_of_hours_finds_its_impulse_response_whole():
    assert design_bandpass((0.0005, 8.0), 20.0).overlap > 100_000


def test_a_corner_without_end_is_refused():
    with pytest.raises(ValueError, match="lower corner"):
        design_bandpass((1e-6, 8.0), 20.0)
