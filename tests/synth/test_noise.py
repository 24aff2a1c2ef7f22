import datetime as dt

import numpy as np
import pytest
from scipy import signal

from couloir.synth import SynthSpec
from couloir.synth.noise import make_noise, median_envelope, spectral_density
from couloir.synth.truth import band_response

DAY = dt.date(2024, 3, 6)
RATE = 20.0
SPEC = SynthSpec(DAY, 2, sampling_rate=RATE)


@pytest.fixture(scope="module")
def two_days(site):
    days = [make_noise(SPEC, site.stations[0], DAY + dt.timedelta(days=i)) for i in range(2)]
    return np.concatenate(days, axis=1)


def hour_of(noise, hour):
    return noise[:, round(hour * 3600 * RATE) : round((hour + 1) * 3600 * RATE)]


def test_spectrum_is_the_one_stated(site, two_days):
    vertical = hour_of(two_days, 0.0)[2]
    frequency, density = signal.welch(vertical, RATE, nperseg=1024)
    stated = spectral_density(frequency, site.stations[0], 1.1)
    inner = (frequency > 0.1) & (frequency < 9)
    assert np.allclose(np.sqrt(density[inner] / stated[inner]), 1.0, atol=0.35)
    assert np.median(density[inner] / stated[inner]) == pytest.approx(1.0, abs=0.1)


def test_median_envelope_is_the_one_measured(site, two_days):
    sections = signal.butter(4, (1, 9), "bandpass", fs=RATE, output="sos")
    envelope = np.sqrt(np.sum(np.abs(signal.hilbert(signal.sosfiltfilt(sections, two_days))) ** 2, axis=0))
    frequency = np.linspace(0, RATE / 2, 2000)
    response = band_response(frequency, RATE)
    for hour in (3, 12, 20):
        stated = median_envelope(site.stations[0], hour + 0.5, frequency=frequency, response=response)
        assert np.median(hour_of(envelope[np.newaxis], hour)) == pytest.approx(stated, rel=0.06)


def test_days_join_without_a_seam(two_days):
    midnight = SPEC.samples_per_day
    jumps = np.abs(np.diff(two_days, axis=1))
    assert np.all(jumps[:, midnight - 1] < 5 * jumps.std(axis=1))
    sections = signal.butter(4, (1, 9), "bandpass", fs=RATE, output="sos")
    around = signal.sosfiltfilt(sections, two_days[:, midnight - 6000 : midnight + 6000])
    blocks = around.reshape(3, 10, -1).std(axis=2)
    assert np.all(blocks.max(axis=1) < 1.5 * blocks.min(axis=1))


def test_working_hours_are_louder_than_the_night(two_days):
    band = signal.sosfilt(signal.butter(4, (5, 9), "bandpass", fs=RATE, output="sos"), two_days)
    assert hour_of(band, 6).std() > 1.4 * hour_of(band, 18).std()


def test_components_are_independent(two_days):
    correlation = np.corrcoef(two_days)
    assert np.all(np.abs(correlation[np.triu_indices(3, 1)]) < 0.05)
