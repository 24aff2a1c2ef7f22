"""Background is made of what precedes events, and looks like noise at random times to a model."""

import numpy as np
import pytest

from couloir.stages.background import _quietest, make_background
from couloir.stages.settings import Picturing


@pytest.fixture
def busy(station):
    day = min(station.levels)
    for minute in range(0, 55, 2):
        station.burst(f"{day}T03:{minute:02d}:00", amplitude=6_000)
    station.write()
    return station


def test_background_has_the_spectra_of_noise_and_none_of_the_events(busy, run):
    made = run(detect={"before_onset_s": 10.0})
    background = make_background(made.archive, made.config, count=30).astype(np.float32)
    generator = np.random.default_rng(0)
    white = generator.normal(0, 100, (30, 3, made.config.detect.window_samples)).astype(np.float32)
    noise = Picturing(made.config.detect, made.config.spectrogram)(white).astype(np.float32)
    events = made.archive.load().astype(np.float32)
    assert background.shape == (30, 16, 16, 3)
    np.testing.assert_allclose(background.mean(axis=(0, 2, 3)), noise.mean(axis=(0, 2, 3)), atol=0.35)
    assert np.abs(background.mean(axis=0) - noise.mean(axis=0)).mean() < 0.3
    assert np.abs(events.mean(axis=0) - noise.mean(axis=0)).mean() > 0.4
    np.testing.assert_array_equal(background, make_background(made.archive, made.config, count=30))


def test_only_events_that_are_given_lend_their_noise(busy, run):
    made = run(detect={"before_onset_s": 10.0})
    some = np.arange(0, len(made.archive), 2)
    asked, waveforms = [], made.archive.waveforms
    made.archive.waveforms = lambda rows: asked.append(rows) or waveforms(rows)
    make_background(made.archive, made.config, count=5, among=some)
    assert len(asked[0])
    assert set(asked[0]) <= set(some)
    assert make_background(made.archive, made.config, count=5, among=some[:0]) is None


def test_of_each_sensor_the_quietest_half_is_taken_against_its_median_and_scaled_to_one():
    loudness = np.array([8, 1, 2, 9, 3, 4, 7, 6, 5, 10, 50, 20, 30], np.float32)
    sensors = np.array(["A"] * 10 + ["B"] * 3)
    median = np.where(sensors == "A", 1, 10).astype(np.float32)
    noise = np.ones((13, 2, 5, 3), np.float32) * (loudness * median)[:, None, None, None]
    kept, whose = _quietest(noise, sensors, median)
    assert whose.tolist() == ["A"] * 5 + ["B"] * 3  # few events of a sensor are all taken
    np.testing.assert_allclose(kept, 1, rtol=1e-5)
    marked = noise * np.where(loudness < 6, 1, np.nan)[:, None, None, None]
    assert np.isfinite(_quietest(marked[:10], sensors[:10], median[:10])[0]).all()


def test_there_is_none_without_time_before_onsets_or_without_events(busy, run):
    short = run(output="short", detect={"before_onset_s": 0.5})
    assert make_background(short.archive, short.config, count=5) is None
    quiet = run(output="quiet", detect={"on_factor": 1e6})
    assert make_background(quiet.archive, quiet.config, count=5) is None
