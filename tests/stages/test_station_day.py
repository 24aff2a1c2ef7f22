"""Bad recordings end in an outcome, good ones in events whose numbers are those of the samples."""

import numpy as np
import obspy
import pytest

from .conftest import FIRST, RATE, SECOND

NOON = "2024-01-31T12:00:00"


def outcome_of(result, day=FIRST):
    return next(outcome for outcome in result.outcomes if outcome.station_day.day == day)


def test_an_event_carries_times_amplitudes_and_noise_of_its_samples(station, run):
    onset = station.burst(NOON, duration=4, amplitude=5_000)
    station.write(FIRST)
    result = run()
    archive = result.archive
    assert len(archive) == 1
    column = {name: archive.column(name)[0] for name in ("start_time", "onset_time", "peak_time", "end_time")}
    assert column["start_time"] == column["onset_time"] - 5_000_000_000
    assert abs(column["onset_time"] - onset) < 0.3e9
    assert onset < column["peak_time"] < onset + 4e9
    assert abs(column["end_time"] - (onset + 4e9)) < 0.5e9
    # three sines of one amplitude: the vector envelope is sqrt(3) times it
    assert archive.column("peak_amplitude")[0] == pytest.approx(5_000 * np.sqrt(3), rel=0.05)
    assert archive.column("snr")[0] == pytest.approx(
        archive.column("peak_amplitude")[0] / archive.column("median")[0], rel=1e-5
    )
    assert archive.column("coverage")[0] == 1.0
    outcome = outcome_of(result)
    assert outcome.mad == pytest.approx(archive.column("mad")[0], rel=1e-6)
    assert outcome.valid_s == pytest.approx(86_400, abs=10)


def test_a_dead_channel_is_flat(station, run):
    station.write(FIRST, edit=lambda data: [(0.0, np.full_like(data, 7))])
    outcome = outcome_of(run())
    assert outcome.status == "flat"
    assert "MAD is 0" in outcome.reason


def test_a_day_with_too_few_samples_is_too_gappy(station, run):
    station.write(FIRST, edit=lambda data: [(100.0, data[: round(300 * RATE)])])
    outcome = outcome_of(run())
    assert outcome.status == "too_gappy"
    assert "296 s valid" in outcome.reason


def test_unreadable_files_are_told_and_the_other_day_goes_on(station, run):
    station.burst("2024-02-01T06:00:00")
    station.write()
    for channel in station.channels:
        station.path(FIRST, channel).write_text("<html>404 not found</html>")
    result = run()
    assert outcome_of(result).status == "unreadable"
    assert "does not decode" in outcome_of(result).reason
    assert outcome_of(result, SECOND).status == "ok"
    assert len(result.archive) == 1


def test_one_unreadable_component_leaves_the_others_at_work(station, run):
    station.burst(NOON)
    station.write(FIRST)
    station.path(FIRST, "HHN").write_bytes(b"")
    result = run()
    assert outcome_of(result).status == "ok"
    assert any("HHN" in remark and "empty" in remark for remark in outcome_of(result).remarks)
    waveform = result.archive.waveforms(np.array([0]))[0]
    assert np.isnan(waveform[1]).all()
    assert np.isfinite(waveform[[0, 2]]).all()
    assert (result.archive[np.array([0])][0, ..., 1] == 0).all()


def test_a_component_recorded_for_a_short_while_does_not_void_the_others(station, run):
    station.burst("2024-01-31T18:00:00")
    station.write(FIRST)
    path = station.path(FIRST, "HHE")
    obspy.read(str(path)).trim(endtime=obspy.UTCDateTime("2024-01-31T02:00:00")).write(str(path), format="MSEED")
    result = run()
    assert len(result.archive) == 1
    assert any("HHE" in r or "E left out" in r for r in outcome_of(result).remarks)


def test_a_steep_offset_between_two_stretches_causes_no_detection(station, run):
    half = round(43_200 * RATE)
    station.write(
        FIRST,
        edit=lambda data: [(0.0, data[:half]), (43_230.0, data[half + round(30 * RATE) :] + 1_000_000)],
    )
    result = run()
    assert outcome_of(result).events == 0
    assert outcome_of(result).status == "ok"


def test_files_of_another_station_under_this_name_are_refused_by_name(station, run):
    station.write(FIRST)
    path = station.path(FIRST, "HHZ")
    stream = obspy.read(str(path))
    stream[0].stats.station = "BBB"
    stream.write(str(path), format="MSEED")
    remarks = outcome_of(run()).remarks
    assert any("XX.BBB.00.HHZ" in remark and "expected XX.AAA.00.HHZ" in remark for remark in remarks)


def test_a_window_that_is_mostly_gap_is_counted_and_not_stored(station, run):
    station.burst(NOON, duration=3)
    cut, resume = round(43_200.0 * RATE - 0.5 * RATE), round(43_205.5 * RATE)
    station.write(FIRST, edit=lambda data: [(0.0, data[:cut]), (resume / RATE, data[resume:])])
    outcome = outcome_of(run(detect={"min_window_coverage": 1.0, "edge_s": 0.0}))
    assert outcome.status == "ok"
    assert outcome.events == 0


def test_vertical_detection_without_a_vertical_is_empty(station, run):
    station.channels = ("HHE", "HHN")
    station.write(FIRST)
    outcome = outcome_of(run(detect={"envelope": "vertical"}))
    assert outcome.status == "empty"
    assert "vertical" in outcome.reason


def test_one_noisy_component_triggers_any_but_its_burst_is_lost_in_the_vector(station, run):
    station.burst(NOON, amplitude=600)
    station.write(FIRST)
    for channel in ("HHE", "HHN"):
        path = station.path(FIRST, channel)
        stream = obspy.read(str(path))
        rng = np.random.default_rng(1)
        stream[0].data = rng.normal(0, 5_000, stream[0].stats.npts).astype(np.int32)
        stream.write(str(path), format="MSEED")
    quiet = {"on_factor": 6.0, "off_factor": 4.0}
    vector = run(output="vector", detect={"envelope": "vector", **quiet})
    single = run(output="any", detect={"envelope": "any", **quiet})
    noon = obspy.UTCDateTime(NOON).ns
    assert not [e for e in vector.events if abs(e[2] - noon) < 5e9]
    assert [e for e in single.events if abs(e[2] - noon) < 5e9]


def test_a_bug_in_one_day_is_an_outcome_and_not_a_traceback(station, run, monkeypatch):
    station.write(FIRST)

    def broken(*_):
        raise ZeroDivisionError("made up")

    monkeypatch.setattr("couloir.stages.station_day._judge", broken)
    outcome = outcome_of(run())
    assert outcome.status == "failed"
    assert outcome.reason == "ZeroDivisionError: made up"


def test_recordings_of_another_rate_are_resampled_and_found(station, run):
    station.rate = 50.0
    onset = station.burst(NOON)
    station.write(FIRST)
    result = run()
    assert len(result.archive) == 1
    assert abs(result.events[0][2] - onset) < 0.3e9
    assert any("resampled from 50 Hz" in remark for remark in outcome_of(result).remarks)
