import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.synth.packet import band_shape, packet, rise_and_decay, surface_loss


@given(st.floats(0.01, 5), st.floats(0.1, 20))
def test_rise_and_decay_peaks_at_one(rise, decay):
    length = round(2000 * max(rise, decay))
    envelope = rise_and_decay(length, 1000.0, rise_s=np.array(rise), decay_s=np.array(decay))
    assert envelope.max() == pytest.approx(1.0, abs=1e-2)
    assert envelope[0] == 0


@pytest.mark.parametrize("sampling_rate", [50.0, 100.0, 250.0])
def test_power_in_a_band_does_not_depend_on_the_sampling_rate(sampling_rate):
    frequency = np.linspace(0, sampling_rate / 2, 4001)
    shape = band_shape(frequency, 8.0, width=0.4)
    assert np.mean(shape**2) == pytest.approx(1.0, rel=0.01)
    assert frequency[np.argmax(shape)] == pytest.approx(8.0, abs=0.05)


def test_a_band_above_nyquist_leaves_almost_nothing():
    shape = band_shape(np.linspace(0, 10, 1001), 25.0, width=0.3)
    assert np.mean(shape**2) < 0.01


def test_surface_loss_spreads_and_takes_high_frequencies_first():
    loss = surface_loss(np.array([0.0, 10.0]), np.array([100.0, 400.0]), speed_m_s=800.0, quality=40.0)
    assert loss[:, 0] == pytest.approx([1.0, 0.5])
    assert loss[1, 1] == pytest.approx(0.5 * np.exp(-np.pi * 10 * 400 / 800 / 40))


@given(st.floats(0, 1))
def test_packet_has_the_power_of_its_envelope_gain_and_polarization(coherence):
    rng = np.random.default_rng(5)
    polarization = np.array([2.0, -1.0, 0.5])
    samples = packet(
        rng,
        np.ones(20_000),
        gain=lambda frequency: np.full_like(frequency, 3.0),
        sampling_rate=100.0,
        polarization=polarization,
        coherence=coherence,
    )
    assert samples.std(axis=1) == pytest.approx(3 * np.abs(polarization), rel=0.05)
    assert np.corrcoef(samples)[0, 1] == pytest.approx(-coherence, abs=0.05)
