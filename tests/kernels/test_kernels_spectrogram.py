import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal, stats

from couloir.kernels.spectrogram import SpectrogramShape, magnitudes, normalise

SHAPE = SpectrogramShape(frequencies=128, times=128, segment=128)
SMALL = SpectrogramShape(frequencies=32, times=16, segment=48)
ALL = np.array([True, True, True])


def windows(events, samples=2_000, seed=0):
    """Coloured noise with a transient, of another level in each component."""
    rng = np.random.default_rng(seed)
    noise = signal.lfilter([1], [1, -0.95], rng.normal(size=(events, 3, samples)))
    envelope = np.exp(-np.arange(samples) / (0.15 * samples))
    burst = np.roll(envelope, samples // 4) * rng.normal(size=noise.shape) * 30
    burst[..., : samples // 4] = 0
    return ((noise + burst) * [[[400.0], [90.0], [1_500.0]]] + 20_000).astype(np.float32)


def plain_magnitudes(data, shape):
    """Take each frame's discrete Fourier transform in float64, by its definition."""
    data = np.asarray(data, np.float64)
    data = data - data.mean(axis=-1, keepdims=True)
    taper = signal.get_window("hann", shape.segment)
    points = 2 * (shape.frequencies - 1)
    matrix = np.exp(-2j * np.pi * np.outer(np.arange(shape.frequencies), np.arange(shape.segment)) / points)
    out = np.empty((len(data), shape.frequencies, shape.times, 3))
    for number, start in enumerate(
        np.rint(np.linspace(0, data.shape[-1] - shape.segment, shape.times)).astype(int)
    ):
        frame = data[..., start : start + shape.segment] * taper
        out[:, :, number, :] = np.abs(frame @ matrix.T).transpose(0, 2, 1) * 2 / taper.sum()
    return out


def plain_pictures(data, shape):
    """The published input by SciPy: magnitudes, Box-Cox on the whole sample, standardised."""
    out = plain_magnitudes(data, shape)
    for sample in out:
        values = np.maximum(sample, 1e-6 * sample.max()).ravel()
        sample[...] = stats.zscore(stats.boxcox(values)[0]).reshape(sample.shape)
    return out


@settings(max_examples=20)
@given(
    st.builds(
        lambda half, times, segment: SpectrogramShape(half + 1, times, min(segment, 2 * half)),
        st.integers(8, 80),
        st.integers(8, 40),
        st.integers(8, 160),
    ),
    st.integers(160, 900),
)
def test_magnitudes_are_those_of_a_transform_by_definition(shape, samples):
    data = windows(2, samples)
    expected = plain_magnitudes(data, shape)
    found = magnitudes(data, shape)
    assert found.shape == (2, shape.frequencies, shape.times, 3)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5 * expected.max()


def test_magnitudes_agree_with_scipy_where_its_evenly_spaced_frames_coincide():
    shape = SpectrogramShape(frequencies=65, times=31, segment=128)
    data = windows(1, 128 + 30 * 64)
    data -= data.mean(axis=-1, keepdims=True, dtype=np.float64)
    transform = signal.ShortTimeFFT(signal.get_window("hann", 128), 64, 100.0, scale_to="magnitude")
    first = 128 // 2 // 64
    expected = 2 * np.abs(transform.stft(data[0].astype(float)))[:, :, -transform.p_min + first :][:, :, :31]
    found = magnitudes(data, shape)[0].transpose(2, 0, 1)
    assert np.abs(found - expected).max() < 1e-5 * expected.max()


@pytest.mark.parametrize("number", [10, 40, 100])
def test_a_sine_shows_its_amplitude_at_its_frequency(number):
    frequency = number * 50.0 / 127  # the axis runs from 0 Hz to Nyquist in 128 bins
    tone = 700 * np.sin(2 * np.pi * frequency * np.arange(2_000) / 100.0)
    picture = magnitudes(np.tile(tone, (1, 3, 1)).astype(np.float32), SHAPE)[0, :, :, 2]
    assert (picture.argmax(axis=0) == number).all()
    assert picture.max(axis=0) == pytest.approx(700, rel=1e-3)


def test_a_click_shows_in_the_frames_that_hold_it_only():
    data = np.zeros((1, 3, 2_000), np.float32)
    data[..., 1_000] = 1
    loud = np.flatnonzero(magnitudes(data, SHAPE)[0, 64, :, 0] > 1e-4)
    starts = SHAPE.frame_starts(2_000)
    assert (starts[loud] <= 1_000).all()
    assert (starts[loud] + SHAPE.segment > 1_000).all()


@given(st.integers(8, 200), st.integers(8, 300), st.integers(0, 2_000))
def test_frames_run_from_the_first_sample_to_the_last(times, segment, more):
    starts = SpectrogramShape(151, times, segment).frame_starts(segment + more)
    assert (starts[0], starts[-1]) == (0, more)
    assert np.ptp(np.diff(starts)) <= 1


def test_published_input_agrees_with_scipy():
    data = windows(6)
    expected = plain_pictures(data, SHAPE)
    found = normalise(magnitudes(data, SHAPE), ALL, "boxcox")
    assert np.abs(found - expected).max() < 2e-3


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(-4, 3))
def test_published_input_does_not_depend_on_the_scale(seed, exponent):
    data = windows(1, 600, seed) - 20_000
    one = normalise(magnitudes(data, SMALL), ALL, "boxcox")
    other = normalise(magnitudes((data * 10.0**exponent).astype(np.float32), SMALL), ALL, "boxcox")
    assert np.abs(one - other).max() < 2e-3


@pytest.mark.parametrize("how", ["boxcox", "log"])
def test_standardised_samples_have_zero_mean_and_unit_variance(how):
    found = normalise(magnitudes(windows(4, 600), SMALL), ALL, how).astype(np.float64)
    assert found.mean(axis=(1, 2, 3)) == pytest.approx(np.zeros(4), abs=1e-5)
    assert found.std(axis=(1, 2, 3)) == pytest.approx(np.ones(4), abs=1e-5)


def test_log_minmax_and_none_are_what_they_say():
    picture = magnitudes(windows(3, 600), SMALL)
    wide = picture.astype(np.float64)
    assert np.array_equal(normalise(picture, ALL, "none"), picture)
    for number in range(3):
        low, high = wide[number].min(), wide[number].max()
        np.testing.assert_allclose(
            normalise(picture, ALL, "minmax")[number], (wide[number] - low) / (high - low), atol=1e-6
        )
        logs = stats.zscore(np.log(np.maximum(wide[number], 1e-6 * high)), axis=None)
        np.testing.assert_allclose(normalise(picture, ALL, "log")[number], logs, atol=1e-4)


@pytest.mark.parametrize("how", ["boxcox", "log", "minmax", "none"])
@pytest.mark.parametrize("present", [[False, False, True], [True, False, True], [False, True, False]])
def test_missing_components_are_zero_and_do_not_alter_the_others(how, present):
    present = np.array(present)
    data = windows(2, 600)
    found = normalise(magnitudes(data, SMALL), present, how)
    assert (found[..., ~present] == 0).all()
    data[:, ~present] = 1e6 * np.sin(np.arange(600))
    assert np.array_equal(normalise(magnitudes(data, SMALL), present, how), found)
    alone = magnitudes(data, SMALL)[..., np.flatnonzero(present)[[0]]]
    if present.sum() == 1:
        np.testing.assert_array_equal(found[..., present], normalise(alone, np.array([True]), how))


@pytest.mark.parametrize("how", ["boxcox", "log", "minmax", "none"])
def test_events_of_one_batch_do_not_touch_each_other(how):
    data = windows(5, 600)
    together = normalise(magnitudes(data, SMALL), ALL, how)
    for number in range(5):
        one = normalise(magnitudes(data[number : number + 1], SMALL), ALL, how)
        np.testing.assert_allclose(together[number], one[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("how", ["boxcox", "log", "minmax", "none"])
@pytest.mark.parametrize("value", [0.0, 123_456.0])
def test_windows_of_one_value_give_zeros(how, value):
    found = normalise(magnitudes(np.full((2, 3, 600), value, np.float32), SMALL), ALL, how)
    assert (found == 0).all()


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0.0, 1e-30, 1e-3, 1.0, 7.0, 1e4, 1e12]), min_size=24, max_size=24))
def test_extreme_magnitudes_never_give_nan(values):
    picture = np.array(values, np.float32).reshape(1, 4, 2, 3)
    for how in ("boxcox", "log", "minmax"):
        assert np.isfinite(normalise(picture, ALL, how)).all()
