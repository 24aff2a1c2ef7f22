"""What monitoring asks of detection, through the whole stage: bands, running noise, ground motion."""

import numpy as np
import obspy
import pytest
from obspy.core.inventory import Channel, Inventory, Network, Response
from obspy.core.inventory import Station as Site
from obspy.core.inventory.response import InstrumentSensitivity

from couloir.errors import ConfigError
from couloir.stages.plan import plan

from .conftest import FIRST, RATE, SECOND, make_config

NOON = "2024-01-31T12:00:00"
COUNTS = {"HHE": 4e8, "HHN": 4e8, "HHZ": 4e8}


def stationxml(path, station, counts=COUNTS, unit="M/S", end=None):
    channels = [
        Channel(
            code,
            "00",
            latitude=0,
            longitude=0,
            elevation=0,
            depth=0,
            start_date=obspy.UTCDateTime(2020, 1, 1),
            end_date=obspy.UTCDateTime(end) if end else None,
            response=Response(
                instrument_sensitivity=InstrumentSensitivity(value, 1.0, input_units=unit, output_units="COUNTS")
            ),
        )
        for code, value in counts.items()
    ]
    site = Site(station.name, 0, 0, 0, channels=channels)
    Inventory(networks=[Network("XX", stations=[site])], source="test").write(str(path), format="STATIONXML")
    return {"stationxml": str(path)}


def test_with_stationxml_amplitudes_are_ground_motion_and_nothing_else_changes(station, run, tmp_path):
    station.burst(NOON)
    station.write(FIRST)
    plain = run(output="plain")
    moved = run(output="moved", archive=stationxml(tmp_path / "x.xml", station))
    for name in ("peak_amplitude", "median", "mad"):
        np.testing.assert_allclose(moved.archive.column(name), plain.archive.column(name) / 4e8, rtol=1e-5)
    np.testing.assert_allclose(moved.archive.column("snr"), plain.archive.column("snr"), rtol=1e-5)
    assert moved.events == plain.events
    one = np.arange(len(plain.archive))
    assert np.array_equal(moved.archive.waveforms(one), plain.archive.waveforms(one))
    assert np.array_equal(moved.archive[one], plain.archive[one])
    assert (moved.archive.column("unit").tolist(), plain.archive.column("unit").tolist()) == ([1], [0])


def test_a_sensor_without_a_sensitivity_stays_in_counts_and_is_told(station, run, tmp_path):
    station.burst(NOON)
    station.write(FIRST)
    found = run(archive=stationxml(tmp_path / "x.xml", station, counts={"HHZ": 4e8}))
    assert found.archive.column("unit").tolist() == [0]
    assert any("no sensitivity of XX.AAA.00.HHE" in remark for remark in found.outcomes[0].remarks)


def test_a_changed_sensitivity_makes_the_block_again(station, run, tmp_path):
    station.burst(NOON)
    station.write(FIRST)
    mad = run(archive=stationxml(tmp_path / "x.xml", station)).archive.column("mad")[0]
    again = run(archive=stationxml(tmp_path / "x.xml", station, counts=dict.fromkeys(COUNTS, 8e8)))
    assert again.archive.column("mad")[0] == pytest.approx(mad / 2, rel=1e-5)


def test_the_plan_reads_the_metadata_and_refuses_what_is_none(station, tmp_path):
    station.write(FIRST)
    config = make_config(station.root, tmp_path / "out", archive=stationxml(tmp_path / "x.xml", station))
    ((_, known),) = plan(config).sensitivities.items()
    assert len(known) == 3
    with pytest.raises(ConfigError, match="stationxml"):
        plan(make_config(station.root, tmp_path / "out", archive={"stationxml": str(tmp_path / "none.xml")}))


def test_an_event_says_which_band_it_stood_out_in(station, run):
    station.burst(NOON)  # 3 Hz
    station.write(FIRST)
    found = run(detect={"band": [[1.0, 2.0], [2.0, 5.0], [5.0, 8.0]]})
    assert len(found.archive) == 1
    assert (found.archive.column("band_low")[0], found.archive.column("band_high")[0]) == (2.0, 5.0)
    whole = run(output="whole")
    assert (whole.archive.column("band_low")[0], whole.archive.column("band_high")[0]) == (1.0, 8.0)


def test_a_running_window_gives_each_event_the_noise_of_its_hour(station, run):
    onset = station.burst(NOON)
    late = station.burst("2024-01-31T22:00:00", amplitude=40_000)

    def busy_evening(data):
        rng = np.random.default_rng(5)
        half = len(data) * 3 // 4
        louder = data.astype(float)
        louder[half:] += rng.normal(0, 900, len(data) - half)
        return [(0.0, np.rint(louder).astype(np.int32))]

    station.write(FIRST, edit=busy_evening)
    found = run(detect={"noise_window_s": 3_600})
    onsets = found.archive.column("onset_time")
    near = [int(np.argmin(np.abs(onsets - when))) for when in (onset, late)]
    quiet, loud = found.archive.column("median")[near]
    assert loud == pytest.approx(9 * quiet, rel=0.15)


def test_amplitudes_of_one_event_are_never_of_two_units(station, run, tmp_path):
    station.burst("2024-01-31T23:59:50", duration=150)
    station.write()
    found = run(archive=stationxml(tmp_path / "x.xml", station, end="2024-02-01")).archive
    units, amplitudes = found.column("unit"), found.column("peak_amplitude")
    assert set(units.tolist()) == {0, 1}
    assert (amplitudes[units == 1] < 1e-4).all()
    assert (amplitudes[units == 0] > 1e3).all()
    assert found.column("snr").max() < 1e3


def test_the_band_stays_the_same_over_midnight_whichever_components_there_are(station, run):
    station.burst("2024-01-31T23:59:50", duration=150)
    station.write(FIRST)
    station.write(SECOND)
    east = station.samples(SECOND, 0)[: round(1_200 * RATE)]
    header = {"network": "XX", "station": "AAA", "location": "00", "channel": "HHE", "sampling_rate": RATE}
    trace = obspy.Trace(east, header | {"starttime": obspy.UTCDateTime(2024, 2, 1)})
    trace.write(str(station.path(SECOND, "HHE")), format="MSEED")
    found = run(detect={"band": [[1.0, 2.0], [2.0, 5.0]]}).archive
    assert len(found) >= 6
    assert set(found.column("band_low").tolist()) == {2.0}
    assert found.column("peak_amplitude").min() > 4_000


def test_an_outage_filled_with_zeros_is_no_quiet_hour(station, run):
    def outage(data):
        silent = data.copy()
        silent[round(36_000 * RATE) : round(37_790 * RATE)] = 0
        return [(0.0, silent)]

    station.write(FIRST, edit=outage)
    assert run(detect={"noise_window_s": 3_600}).outcomes[0].events == 0
