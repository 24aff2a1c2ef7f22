"""Detection on a volcano's vertical components: one component, 24 hours, three stations."""

import numpy as np
import obspy
import pytest
from obspy.signal.filter import envelope
from scipy import signal

from couloir.compute import open_pool
from couloir.runfile import build
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.stages.run import open_archive


@pytest.fixture(scope="module")
def result(shared_data, tmp_path_factory):
    config = build(
        {
            "archive": {"url": str(shared_data("piton") / "sds"), "start": "2010-09-01", "end": "2010-09-02"},
            "output": {"url": str(tmp_path_factory.mktemp("piton"))},
            "compute": {"kind": "threads", "workers": 2},
        }
    )
    made = plan(config)
    with open_pool(config.compute) as pool:
        outcomes = detect(config, made.inventory, pool, progress=lambda outcome: None)
    return config, made, outcomes, open_archive(config, made)


def test_every_station_gives_events(result):
    _, made, outcomes, archive = result
    assert [band.components for band in made.bands] == ["Z", "Z", "Z"]
    assert all(outcome.status == "ok" and outcome.events > 0 for outcome in outcomes)
    assert sum(outcome.events for outcome in outcomes) == len(archive)


def test_missing_components_are_planes_of_zeros_and_the_recorded_one_is_standardised(result):
    archive = result[3]
    pictures = archive[np.arange(len(archive))].astype(np.float64)
    assert not pictures[..., :2].any()
    np.testing.assert_allclose(pictures[..., 2].mean(axis=(1, 2)), 0, atol=2e-3)
    np.testing.assert_allclose(pictures[..., 2].std(axis=(1, 2)), 1, atol=2e-3)
    waveforms = archive.waveforms(np.arange(len(archive)))
    assert np.isnan(waveforms[:, :2]).all()


def test_the_noise_of_a_day_agrees_with_obspy_and_scipy(result, shared_data):
    outcome = next(o for o in result[2] if o.station_day.band.station == "UV06")
    path = next((shared_data("piton") / "sds").glob("2010/YA/UV06/HHZ.D/*"))
    stream = obspy.read(str(path)).merge()
    assert not np.ma.is_masked(stream[0].data)
    sections = signal.butter(4, [1, 45], "bandpass", fs=100, output="sos")
    counted = envelope(signal.sosfiltfilt(sections, signal.detrend(stream[0].data.astype(float))))[200:-200]
    median = np.median(counted)
    assert outcome.median == pytest.approx(median, rel=1e-3)
    assert outcome.mad == pytest.approx(np.median(np.abs(counted - median)), rel=1e-3)
