import datetime as dt

import numpy as np
import obspy
import pytest
from obspy.core.inventory import Channel, Inventory, Network, Response, Station
from obspy.core.inventory.response import InstrumentSensitivity

from couloir.archive.response import MOTIONS, Sensitivity, calibrate, read_sensitivities
from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import ChannelId, day_start_ns
from couloir.storage import Patience

NOON = obspy.UTCDateTime("2024-03-06T12:00:00").ns


def channel(code, counts, unit="M/S", start="2020-01-01", end=None, location="00"):
    response = counts and Response(
        instrument_sensitivity=InstrumentSensitivity(counts, 1.0, input_units=unit, output_units="COUNTS")
    )
    return Channel(
        code,
        location,
        latitude=0,
        longitude=0,
        elevation=0,
        depth=0,
        response=response,
        start_date=obspy.UTCDateTime(start),
        end_date=obspy.UTCDateTime(end) if end else None,
    )


def write(path, *channels, station="AAA"):
    stations = [Station(station, 0, 0, 0, channels=list(channels))]
    Inventory(networks=[Network("XX", stations=stations)], source="test").write(str(path), format="STATIONXML")
    return str(path)


def sensor(*codes):
    return {code[-1]: ChannelId("XX", "AAA", "00", code) for code in codes}


def test_sensitivities_are_those_that_obspy_finds(tmp_path):
    path = write(tmp_path / "x.xml", channel("HHE", 6e8), channel("HHN", 5e8), channel("HHZ", 4e8))
    calibration = calibrate(read_sensitivities(path), sensor("HHE", "HHN", "HHZ"), NOON)
    assert calibration.unit == "m/s"
    assert set(calibration.gains) == set("ENZ")
    counts = np.random.default_rng(0).normal(0, 1e4, 100)
    header = {"network": "XX", "station": "AAA", "location": "00", "starttime": obspy.UTCDateTime(ns=NOON)}
    for component, gain in calibration.gains.items():
        trace = obspy.Trace(counts.copy(), header | {"channel": f"HH{component}"})
        response = obspy.read_inventory(path).get_response(trace.id, trace.stats.starttime)
        np.testing.assert_allclose(counts * gain, trace.data / response.instrument_sensitivity.value, rtol=1e-12)


def test_the_epoch_of_the_day_counts(tmp_path):
    path = write(
        tmp_path / "x.xml",
        channel("HHZ", 4e8, end="2024-03-06T10:00:00"),
        channel("HHZ", -8e8, start="2024-03-06T10:00:00"),
    )
    known = read_sensitivities(path)
    day = 86_400 * 10**9
    assert calibrate(known, sensor("HHZ"), NOON - day).gains == {"Z": 1 / 4e8}
    assert calibrate(known, sensor("HHZ"), NOON).gains == {"Z": 1 / 8e8}  # a reversed polarity is no matter here
    before = calibrate(known, sensor("HHZ"), day_start_ns(dt.date(2010, 1, 1)))
    assert (before.gains, before.unit) == ({}, "count")
    assert "no sensitivity of XX.AAA.00.HHZ" in before.remarks[0]


def test_where_epochs_overlap_the_later_one_holds(tmp_path):
    path = write(tmp_path / "x.xml", channel("HHZ", 1e8), channel("HHZ", 4e8, start="2022-01-01"))
    assert calibrate(read_sensitivities(path), sensor("HHZ"), NOON).gains == {"Z": 1 / 4e8}


def test_a_sensitivity_that_is_no_number_is_none(tmp_path):
    path = tmp_path / "x.xml"
    write(path, channel("HHZ", 4e8))
    path.write_text(path.read_text().replace("400000000.0", "NaN"))
    assert read_sensitivities(str(path)) == ()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.xml", "http://127.0.0.1:9/query?net=XX"])
def test_a_server_that_does_not_answer_is_a_clear_error(url):
    with pytest.raises((ConfigError, ArchiveError), match=r"archive\.stationxml: .*127\.0\.0\.1"):
        read_sensitivities(url, patience=Patience(total_s=0, attempt_s=5))


@pytest.mark.parametrize("unit", ["M/S", "m/s", "M/S**2", "m/s**2", "M"])
def test_motions_are_told_apart(tmp_path, unit):
    path = write(tmp_path / "x.xml", channel("HHZ", 4e8, unit))
    assert calibrate(read_sensitivities(path), sensor("HHZ"), NOON).unit == MOTIONS[unit.lower()]


@pytest.mark.parametrize(
    ("channels", "why"),
    [
        ([channel("HHN", 4e8), channel("HHZ", None)], "no sensitivity of XX.AAA.00.HHZ"),
        ([channel("HHN", 4e8), channel("HHZ", 4e8, "PA")], "PA, which is no ground motion"),
        ([channel("HHN", 4e8), channel("HHZ", 4e5, "M/S**2")], r"m/s and m/s\*\*2"),
    ],
)
def test_what_cannot_be_calibrated_as_a_whole_stays_counts_and_says_why(tmp_path, channels, why):
    calibration = calibrate(read_sensitivities(write(tmp_path / "x.xml", *channels)), sensor("HHN", "HHZ"), NOON)
    assert (calibration.gains, calibration.unit) == ({}, "count")
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(calibration.remarks[0])


def test_nothing_asked_for_is_nothing_remarked():
    assert calibrate(None, sensor("HHZ"), NOON).remarks == ()
    assert calibrate((), sensor("HHZ"), NOON).remarks != ()


def test_a_pattern_reads_several_files(tmp_path):
    write(tmp_path / "a.xml", channel("HHZ", 1e8))
    write(tmp_path / "b.xml", channel("HHZ", 2e8), station="BBB")
    found = read_sensitivities(str(tmp_path / "*.xml"))
    assert [item.channel.station for item in found] == ["AAA", "BBB"]
    assert all(isinstance(item, Sensitivity) for item in found)


def test_a_wrong_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ConfigError, match=r"archive\.stationxml: .*none\.xml is no file"):
        read_sensitivities(str(tmp_path / "none.xml"))
    with pytest.raises(ConfigError, match="nothing matches"):
        read_sensitivities(str(tmp_path / "*.xml"))
    (tmp_path / "page.xml").write_text("<html>404</html>")
    with pytest.raises(ConfigError, match=r"page\.xml is not StationXML"):
        read_sensitivities(str(tmp_path / "page.xml"))
    with pytest.raises((ConfigError, ArchiveError), match=r"archive\.stationxml"):
        read_sensitivities("nosuch://bucket/x.xml")
