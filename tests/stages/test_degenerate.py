"""Recordings that are none, or hardly any: each ends in an outcome, in seconds, without a flood of events."""

import numpy as np
import obspy
import pytest

from couloir.identifiers import day_start_ns

from .conftest import FIRST, RATE

RNG = np.random.default_rng(7)
NOISE = RNG.normal(0, 100, round(86_400 * RATE))
SPIKE = np.where(np.arange(len(NOISE)) == 900_000, 2**28, 0)
SQUARE = np.where(np.arange(len(NOISE)) // 40 % 2, 2**23 - 1, -(2**23))
CLIPPED = np.clip(NOISE * 10, -50, 50)


def whole(samples):
    return lambda _: [(0.0, np.rint(samples).astype(np.int32))]


def write_floats(station, channel, data):
    header = {"network": "XX", "station": "AAA", "location": "00", "channel": channel, "sampling_rate": RATE}
    trace = obspy.Trace(data, header | {"starttime": obspy.UTCDateTime(ns=day_start_ns(FIRST))})
    path = station.path(FIRST, channel)
    path.parent.mkdir(parents=True, exist_ok=True)
    trace.write(str(path), format="MSEED", encoding=f"FLOAT{8 * data.itemsize}")


@pytest.mark.parametrize(
    ("samples", "status"),
    [
        (np.zeros_like(NOISE), "flat"),
        (np.full_like(NOISE, -8_000_000), "flat"),
        (SPIKE, "flat"),
        (CLIPPED, "ok"),
    ],
    ids=["zeros", "constant", "one spike", "clipped noise"],
)
def test_what_is_no_ground_motion_gives_no_flood_of_events(station, run, samples, status):
    station.write(FIRST, edit=whole(samples))
    (outcome,) = [o for o in run().outcomes if o.station_day.day == FIRST]
    assert outcome.status == status
    assert outcome.events == 0


def test_a_clipped_square_wave_that_triggers_all_day_keeps_no_more_than_the_strongest(station, run):
    station.write(FIRST, edit=whole(SQUARE))
    result = run(detect={"max_windows": 50})
    (outcome,) = result.outcomes
    assert (outcome.status, outcome.events) == ("ok", 50)
    assert outcome.dropped > 4_000
    assert any("strongest triggers kept (detect.max_windows 50)" in remark for remark in outcome.remarks)
    starts = result.archive.column("start_time")
    assert (np.diff(starts) > 0).all()


def test_of_too_many_windows_the_strongest_are_kept_in_order(station, run):
    amplitudes = [4_000, 9_000, 5_000, 12_000, 6_000]
    for number, amplitude in enumerate(amplitudes):
        station.burst(f"2024-01-31T{6 + number:02d}:00:00", amplitude=amplitude)
    station.write(FIRST)
    everything = run(output="all").archive.column("onset_time")
    kept = run(detect={"max_windows": 2}).archive.column("onset_time")
    assert kept.tolist() == everything[[1, 3]].tolist()


def test_of_a_trigger_that_is_too_long_the_first_windows_are_kept(station, run):
    station.burst("2024-01-31T12:00:00", duration=90)
    station.burst("2024-01-31T12:00:50", duration=5, amplitude=30_000)
    station.write(FIRST)
    result = run(detect={"max_windows": 2})
    assert result.archive.column("window").tolist() == [0, 1]
    assert result.outcomes[0].dropped >= 2


def test_values_beyond_all_measure_are_gaps_and_told(station, run):
    station.burst("2024-01-31T12:00:00")
    for number, channel in enumerate(station.channels):
        data = station.samples(FIRST, number).astype(np.float64)
        data[[200_000, 864_050]] = 1e39, -1e30
        write_floats(station, channel, data)
    result = run()
    (outcome,) = result.outcomes
    assert outcome.status == "ok"
    assert any("2 samples not finite" in remark for remark in outcome.remarks)
    assert np.isfinite(result.archive.column("peak_amplitude")).all()
    assert np.isfinite(result.archive.load()).all()


def test_a_spike_in_noise_is_one_short_event_at_the_most(station, run):
    station.write(FIRST, edit=lambda data: [(0.0, np.where(SPIKE > 0, 10**6, data).astype(np.int32))])
    (outcome,) = run().outcomes
    assert outcome.status == "ok"
    assert outcome.events <= 1


def test_nan_and_infinity_of_float_formats_are_gaps(station, run):
    onset = station.burst("2024-01-31T12:00:00")
    for number, channel in enumerate(station.channels):
        data = station.samples(FIRST, number).astype(np.float32)
        data[100_000:150_000] = np.nan
        data[400_000] = np.inf
        write_floats(station, channel, data)
    result = run()
    (outcome,) = result.outcomes
    assert outcome.status == "ok"
    assert any("50001 samples not finite" in remark for remark in outcome.remarks)
    (found,) = result.archive.column("onset_time")
    assert abs(found - onset) < 0.3e9
    assert np.isfinite(result.archive[np.arange(1)]).all()


def test_one_sample_segments_leave_nothing_to_measure(station, run):
    station.write(FIRST, edit=lambda data: [(k * 10.0, data[k : k + 1]) for k in range(3_000)])
    (outcome,) = run().outcomes
    assert (outcome.status, outcome.events) == ("too_gappy", 0)


def test_five_thousand_segments_in_a_day_are_detected_in_seconds(station, run):
    onset = station.burst("2024-01-31T12:00:02")

    def torn(data):
        length, step = round(16 * RATE), round(17.2 * RATE)
        return [(k * step / RATE, data[k * step : k * step + length]) for k in range(5_000)]

    station.write(FIRST, edit=torn)
    result = run()
    (outcome,) = result.outcomes
    assert outcome.status == "ok"
    assert outcome.valid_s == pytest.approx(5_000 * 12, abs=100)
    assert outcome.seconds["decode"] + outcome.seconds["detect"] < 60  # not hours: no step grows with their square
    assert any(abs(found - onset) < 0.3e9 for found in result.archive.column("onset_time"))


def test_a_change_of_rate_within_the_day_is_no_obstacle(station, run):
    morning, evening = station.burst("2024-01-31T06:00:00"), station.burst("2024-01-31T18:00:00")
    half = round(43_200 * RATE)
    for number, channel in enumerate(station.channels):
        data = station.samples(FIRST, number)
        fine = np.repeat(data[half:], 2)  # each sample twice: the same at twice the rate
        header = {"network": "XX", "station": "AAA", "location": "00", "channel": channel}
        start = obspy.UTCDateTime(ns=day_start_ns(FIRST))
        stream = obspy.Stream(
            [
                obspy.Trace(data[:half], header | {"sampling_rate": RATE, "starttime": start}),
                obspy.Trace(fine, header | {"sampling_rate": 2 * RATE, "starttime": start + 43_200}),
            ]
        )
        path = station.path(FIRST, channel)
        path.parent.mkdir(parents=True, exist_ok=True)
        stream.write(str(path), format="MSEED")
    result = run()
    (outcome,) = result.outcomes
    assert outcome.status == "ok"
    onsets = result.archive.column("onset_time")
    assert [bool((np.abs(onsets - when) < 0.5e9).any()) for when in (morning, evening)] == [True, True]
