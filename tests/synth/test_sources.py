from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from couloir.synth.earthquake import DISTANT, LOCAL, Earthquake
from couloir.synth.glitch import Spike, Step
from couloir.synth.machinery import Machinery
from couloir.synth.occurrence import HABITS
from couloir.synth.rockfall import Rockfall
from couloir.synth.station_day import LONGEST_S
from couloir.synth.truth import signal_envelope
from couloir.synth.vehicle import Vehicle

RATE = 100.0


def hear(source, station, seed=0, sampling_rate=RATE):
    return source.record(station, rng=np.random.default_rng(seed), sampling_rate=sampling_rate)


def draws(label, site, count=30):
    return [HABITS[label].draw(np.random.default_rng(seed), site) for seed in range(count)]


def centroid_hz(samples):
    power = np.sum(np.abs(np.fft.rfft(samples)) ** 2, axis=0)
    frequency = np.fft.rfftfreq(samples.shape[1], 1 / RATE)
    return float(np.sum(power * frequency) / np.sum(power))


def share_of_power(samples, low, high):
    power = np.sum(np.abs(np.fft.rfft(samples)) ** 2, axis=0)
    frequency = np.fft.rfftfreq(samples.shape[1], 1 / RATE)
    return float(np.sum(power[(frequency >= low) & (frequency <= high)]) / np.sum(power))


@pytest.mark.parametrize("label", HABITS)
def test_no_wave_outlasts_the_time_that_a_day_looks_back(label, site):
    for source in draws(label, site):
        for station in (site.stations[0], site.stations[-1]):
            wave = hear(source, station)
            assert np.isfinite(wave.samples).all()
            assert wave.delay_s + wave.samples.shape[1] / RATE < LONGEST_S


@pytest.mark.parametrize("label", HABITS)
@pytest.mark.parametrize("sampling_rate", [20.0, 50.0, 250.0])
def test_every_class_can_be_recorded_at_other_rates(label, sampling_rate, site):
    for source in draws(label, site, count=5):
        wave, usual = hear(source, site.stations[1], sampling_rate=sampling_rate), hear(source, site.stations[1])
        assert wave.samples.shape[1] / sampling_rate == pytest.approx(usual.samples.shape[1] / RATE, abs=0.5)
        assert np.abs(wave.samples).max() < 4 * np.abs(usual.samples).max()


def test_classes_separate_by_frequency(site):
    station = site.stations[1]
    typical = {
        label: np.median([centroid_hz(hear(source, station).samples) for source in draws(label, site)])
        for label in ("rockfall", "vehicle", "earthquake", "distant")
    }
    assert typical["rockfall"] > 10 > typical["earthquake"] > 3 > typical["distant"] > 0.4
    assert 8 < typical["vehicle"] < 25


def test_rockfall_is_weaker_and_lower_on_far_stations(site):
    by_distance = sorted(site.stations, key=lambda s: np.hypot(s.x_m - site.cliff_x_m, s.y_m - site.cliff_y_m))
    near, far = (replace(station, amplification=1.0) for station in (by_distance[0], by_distance[-1]))
    for source in draws("rockfall", site):
        close, remote = hear(source, near).samples, hear(source, far).samples
        assert np.abs(remote).max() < 0.6 * np.abs(close).max()
        assert centroid_hz(remote) < centroid_hz(close)


def test_large_rockfalls_have_more_impacts_than_small_ones(site):
    falls = sorted(draws("rockfall", site, count=200), key=lambda fall: fall.peaks_m_s.max())
    impacts = [len(fall.times_s) for fall in falls]
    assert np.mean(impacts[-50:]) > 2 * np.mean(impacts[:50])
    assert 1 <= min(impacts) < max(impacts) <= 30
    assert all(fall.times_s[-1] <= 30 for fall in falls)


def test_rockfall_reaches_stations_in_order_of_distance(site):
    fall = replace(draws("rockfall", site, count=1)[0], flow=0.0)
    first = [hear(fall, station).delay_s for station in site.stations]
    distance = [np.hypot(fall.x_m[0] - s.x_m, fall.y_m[0] - s.y_m) for s in site.stations]
    assert np.allclose(first, np.array(distance) / fall.speed_m_s, atol=0.08)


@pytest.mark.parametrize("distance", [15.0, 40.0])
def test_local_earthquake_has_vertical_p_and_larger_horizontal_s_at_their_times(distance, site):
    quake = Earthquake(LOCAL, distance, 0.0, 5.0, 2.5, 3e6)
    station = replace(site.stations[0], east_m=0.0, north_m=0.0)
    path = np.hypot(distance, 5.0)
    p_s, s_s = path / 6.0, path / 3.46
    power = np.zeros((3, 2))
    for seed in range(20):
        wave = hear(quake, station, seed)
        for column, arrival in enumerate((p_s, s_s)):
            start = round((arrival - wave.delay_s) * RATE)
            power[:, column] += np.mean(wave.samples[:, start : start + 150] ** 2, axis=1)
            quiet = wave.samples[:, : round(0.3 * RATE)] if column == 0 else None
            if quiet is not None:
                assert np.abs(quiet).max() < 0.1 * np.abs(wave.samples).max()
    (p_horizontal, s_horizontal), (p_vertical, s_vertical) = np.hypot(power[0], power[1]), power[2]
    assert p_vertical > p_horizontal
    assert s_horizontal > 2 * s_vertical
    assert s_horizontal > 3 * p_vertical


def test_s_follows_p_by_the_distance(site):
    station = replace(site.stations[0], east_m=0.0, north_m=0.0)
    quake = Earthquake(LOCAL, 0.0, 50.0, 8.0, 3.0, 3e6)
    onsets = []
    for seed in range(15):
        envelope = np.hypot(*hear(quake, station, seed).samples[:2])
        smooth = signal.lfilter(np.ones(50) / 50, 1, envelope)
        onsets.append(int(np.argmax(smooth > 0.5 * smooth.max())) / RATE)
    path = np.hypot(50.0, 8.0)
    assert np.median(onsets) == pytest.approx(0.5 + path / 3.46 - path / 6.0, abs=0.7)


def test_larger_earthquakes_are_stronger_and_lower_in_frequency(site):
    waves = [hear(Earthquake(LOCAL, 20.0, 0.0, 8.0, size, 3e6), site.stations[0]) for size in (1.0, 2.5, 4.0)]
    peaks = [np.abs(wave.samples).max() for wave in waves]
    centroids = [centroid_hz(wave.samples) for wave in waves]
    assert peaks[0] * 5 < peaks[1]
    assert peaks[1] * 5 < peaks[2]
    assert centroids[0] > centroids[1] > centroids[2]


def test_distant_earthquake_is_long_and_low(site):
    for seed in range(10):
        wave = hear(Earthquake(DISTANT, 400.0, 0.0, 20.0, 4.5, 3e6), site.stations[0], seed)
        envelope = signal_envelope(wave.samples, RATE)
        loud = np.flatnonzero(envelope > 0.1 * envelope.max())
        assert (loud[-1] - loud[0]) / RATE > 30
        assert share_of_power(wave.samples, 0.4, 4.0) > 0.75


def test_vehicle_passes_the_stations_one_after_another(site):
    for source in draws("vehicle", site, count=20):
        waves = [hear(source, station) for station in site.stations]
        strongest = [
            wave.delay_s
            + np.argmax(signal.fftconvolve(signal_envelope(wave.samples, RATE), np.ones(300), "same")) / RATE
            for wave in waves
        ]
        passing = [source.passing_s(station.x_m) for station in site.stations]
        assert np.allclose(strongest, passing, atol=12)
        assert np.array_equal(np.argsort(strongest), np.argsort(passing))
        assert 20 / 3.6 <= abs(source.velocity_m_s) <= 60 / 3.6


def test_vehicle_rises_and_falls_slowly(site):
    for source in draws("vehicle", site, count=20):
        smooth = signal.fftconvolve(
            signal_envelope(hear(source, site.stations[2]).samples, RATE), np.ones(200), "same"
        )
        wide = np.sum(smooth > 0.5 * smooth.max()) / RATE
        assert 3 < wide < 60


def test_machinery_sounds_its_engine_and_hammers_at_its_rate(site):
    sources = draws("machinery", site, count=40)
    assert {bool(source.hammer) for source in sources} == {True, False}
    for source in sources:
        samples = hear(source, site.stations[2]).samples
        if not source.hammer:
            tones = sum(
                share_of_power(samples, 0.97 * order * source.engine_hz, 1.03 * order * source.engine_hz)
                for order in range(1, 5)
            )
            assert tones > 0.95
        else:
            envelope = signal_envelope(samples, RATE)
            spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
            frequency = np.fft.rfftfreq(len(envelope), 1 / RATE)
            near = np.abs(frequency / source.hammer_hz - 1) < 0.15
            around = (frequency > 0.3 * source.hammer_hz) & (frequency < 0.8 * source.hammer_hz)
            assert spectrum[near].max() > 3 * np.median(spectrum[around])
        assert 10 <= source.duration_s <= 60


def test_spike_is_a_few_samples_on_one_component(site):
    for source in draws("spike", site):
        samples = hear(source, site.stations[0]).samples
        assert np.flatnonzero(np.any(samples, axis=1)).tolist() == [source.component]
        assert 1 <= np.count_nonzero(samples) <= 4


def test_step_jumps_at_once_and_leaks_away(site):
    source = Step(component=1, counts=5000.0, leak_s=100.0)
    samples = hear(source, site.stations[0]).samples[1]
    assert samples[0] == 0
    assert samples[1] == 5000.0
    assert samples[-1] == 0
    assert np.abs(np.diff(samples[1:])).max() < 1.0


def test_every_source_is_of_its_class(site):
    kinds = {label: type(draws(label, site, count=1)[0]) for label in HABITS}
    assert kinds == {
        "rockfall": Rockfall,
        "earthquake": Earthquake,
        "distant": Earthquake,
        "vehicle": Vehicle,
        "machinery": Machinery,
        "spike": Spike,
        "step": Step,
    }
