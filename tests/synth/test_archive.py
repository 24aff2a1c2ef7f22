import csv
import datetime as dt
import hashlib
from pathlib import Path

import fsspec
import numpy as np
import obspy
import pytest
from scipy import signal

from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import DAY_NS
from couloir.synth import ALL_CLASSES, SynthSpec, write_archive, write_station_day
from couloir.synth.faults import Faults
from couloir.synth.truth import merge_rows, to_csv

DAY = dt.date(2024, 3, 6)
SMALL = SynthSpec(DAY, 1, stations=2, sampling_rate=20.0, activity=0.3)


def hashes(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(root).rglob("*"))
        if path.is_file()
    }


def read_truth(path):
    with Path(path).open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["start"], row["end"] = obspy.UTCDateTime(row["start_time"]), obspy.UTCDateTime(row["end_time"])
        row["snr"] = float(row["snr"]) if row["snr"] else None
    return rows


def read_day(archive, station):
    """Read a station-day whole: shape (3, n), gaps filled with zeros."""
    midnight = obspy.UTCDateTime(archive.spec.start.isoformat())
    stream = obspy.read(str(archive.root / f"2024/XX/{station}/*/*"))
    stream.merge(method=1, fill_value=0)
    stream.trim(midnight, midnight + 86_400 - stream[0].stats.delta, pad=True, fill_value=0)
    return np.array([stream.select(channel=f"EH{component}")[0].data for component in "ENZ"], dtype=float)


@pytest.fixture(scope="module")
def envelope(archive):
    """The detector's envelope of station CL01, computed with SciPy alone; NaN in and beside gaps."""
    sections = signal.butter(4, (1, 45), "bandpass", fs=100, output="sos")
    samples = read_day(archive, "CL01")
    filtered = signal.sosfiltfilt(sections, samples)
    total = np.sqrt(sum(np.abs(signal.hilbert(component)) ** 2 for component in filtered))
    missing = np.all(samples == 0, axis=0)
    total[signal.fftconvolve(missing, np.ones(401), "same") > 0.5] = np.nan
    return total


def test_archive_is_an_sds_tree_that_obspy_decodes(archive):
    files = sorted(path.relative_to(archive.root).as_posix() for path in archive.root.rglob("*.066"))
    assert files == [
        f"2024/XX/{station}/EH{component}.D/XX.{station}.00.EH{component}.D.2024.066"
        for station in ("CL01", "CL02")
        for component in "ENZ"
    ]
    midnight = obspy.UTCDateTime(2024, 3, 6)
    for name in files:
        stream = obspy.read(str(archive.root / name))
        assert {trace.id for trace in stream} == {name.rsplit("/", 1)[1].replace(".D.2024.066", "")}
        assert {trace.stats.sampling_rate for trace in stream} == {100.0}
        assert {trace.stats.mseed.encoding for trace in stream} == {"STEIM2"}
        assert {trace.data.dtype for trace in stream} == {np.dtype("int32")}
        assert min(trace.stats.starttime for trace in stream) >= midnight
        assert max(trace.stats.endtime for trace in stream) < midnight + 86_400


def test_truth_has_every_class_and_all_but_machinery_everywhere(archive):
    rows = read_truth(archive.truth)
    detectable = {(row["class"], row["station"]) for row in rows if row["snr"] and row["snr"] > 5}
    assert {label for label, station in detectable} >= set(ALL_CLASSES)
    everywhere = ("rockfall", "earthquake", "distant", "vehicle", "spike")
    assert detectable >= {(label, station) for label in everywhere for station in ("CL01", "CL02")}
    assert len({(row["source_id"], row["station"]) for row in rows}) == len(rows)


def test_quiet_and_loud_events_are_both_there(archive):
    snr = np.array([row["snr"] for row in read_truth(archive.truth) if row["snr"]])
    assert snr.min() > 1.5
    assert np.mean(snr < 4) > 0.15
    assert np.mean((snr > 4) & (snr < 12)) > 0.2
    assert np.mean(snr > 12) > 0.2


def test_plain_mad_detector_finds_strong_events_and_misses_weak_ones(archive, envelope):
    median = np.nanmedian(envelope)
    threshold = median + 12 * np.nanmedian(np.abs(envelope - median))
    rows = [row for row in read_truth(archive.truth) if row["station"] == "CL01" and row["snr"]]
    midnight = obspy.UTCDateTime(2024, 3, 6)

    def found(row):
        window = envelope[round((row["start"] - midnight) * 100) : round((row["end"] - midnight) * 100) + 1]
        return bool(np.nanmax(window, initial=0) > threshold)

    def alone(row):
        others = [other for other in rows if other is not row and other["snr"] > 2.5]
        return not any(o["start"] - 3 < row["end"] and row["start"] < o["end"] + 3 for o in others)

    strong = [found(row) for row in rows if row["snr"] > 15]
    weak = [found(row) for row in rows if row["snr"] < 2 and alone(row)]
    assert len(strong) > 20
    assert np.mean(strong) > 0.95
    assert len(weak) > 10
    assert np.mean(weak) < 0.2


def test_energy_rises_where_the_truth_says_so(archive, envelope):
    rows = [row for row in read_truth(archive.truth) if row["station"] == "CL01" and (row["snr"] or 0) > 5]
    midnight = obspy.UTCDateTime(2024, 3, 6)
    background = np.nanmedian(envelope)
    peaks = [
        np.nanmax(envelope[round((r["start"] - midnight) * 100) : round((r["end"] - midnight) * 100) + 1])
        for r in rows
    ]
    stated = np.array([row["snr"] for row in rows])
    assert np.mean(np.array(peaks) > 3 * background) > 0.98
    assert 0.7 < np.median(np.array(peaks) / background / stated) < 1.4


def test_gaps_and_overlaps_are_where_the_truth_says(tmp_path):
    rates = {"gap": 8.0, "overlap": 12.0}
    spec = SynthSpec(DAY, 1, stations=4, sampling_rate=20.0, seed=3, classes=(), rates=rates)
    rows = read_truth(write_archive(str(tmp_path), spec))
    assert {row["class"] for row in rows} == {"gap", "overlap", "step"}
    for station in (f"CL0{i}" for i in range(1, 5)):
        mine = [row for row in rows if row["station"] == station]
        for component in "ENZ":
            stream = obspy.read(str(tmp_path / f"2024/XX/{station}/EH{component}.D/*"))
            written = np.zeros(spec.samples_per_day, dtype=int)
            values = np.zeros(spec.samples_per_day, dtype=int)
            for trace in stream:
                low = round((trace.stats.starttime - obspy.UTCDateTime(2024, 3, 6)) * 20)
                again = written[low : low + len(trace)] > 0
                assert np.array_equal(trace.data[again], values[low : low + len(trace)][again])
                values[low : low + len(trace)] = trace.data
                written[low : low + len(trace)] += 1
            expected = np.ones(spec.samples_per_day, dtype=int)
            for row in mine:
                stretch = slice(
                    *(round((row[key] - obspy.UTCDateTime(2024, 3, 6)) * 20) for key in ("start", "end"))
                )
                expected[stretch] += {"gap": -1, "overlap": 1, "step": 0}[row["class"]]
            assert np.array_equal(written, expected)
    lengths = {round((row["end"] - row["start"]) * 20) for row in rows if row["class"] == "overlap"}
    assert 1 in lengths
    assert max(lengths) >= 100


def test_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path):
    for name, workers in (("a", 1), ("b", 2)):
        write_archive(str(tmp_path / name), SMALL, workers=workers)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert len(hashes(tmp_path / "a")) == 7


def test_another_seed_gives_other_bytes(tmp_path):
    for seed in (1, 2):
        spec = SynthSpec(DAY, 1, stations=1, sampling_rate=20.0, seed=seed)
        write_archive(str(tmp_path / str(seed)), spec)
    one, two = hashes(tmp_path / "1"), hashes(tmp_path / "2")
    assert one.keys() == two.keys()
    assert not set(one.values()) & set(two.values())


def test_a_station_day_does_not_depend_on_the_archive_around_it(tmp_path):
    long = SynthSpec(DAY - dt.timedelta(days=1), 3, stations=3, sampling_rate=20.0, activity=0.3)
    write_archive(str(tmp_path / "long"), long)
    write_archive(str(tmp_path / "short"), SMALL)
    short, whole = hashes(tmp_path / "short"), hashes(tmp_path / "long")
    assert {name: whole[name] for name in short if name != "truth.csv"} == {
        name: value for name, value in short.items() if name != "truth.csv"
    }


def test_single_station_days_make_up_the_archive(tmp_path):
    write_archive(str(tmp_path / "whole"), SMALL)
    rows = [row for i in (1, 0) for row in write_station_day(str(tmp_path / "parts"), SMALL, day=DAY, station=i)]
    (tmp_path / "parts" / "truth.csv").write_text(to_csv(merge_rows(rows)))
    assert hashes(tmp_path / "parts") == hashes(tmp_path / "whole")


def test_any_file_system_will_do_and_progress_is_told():
    seen = []
    url = write_archive("memory://synth-archive/", SMALL, progress=lambda done, of: seen.append((done, of)))
    assert url == "memory://synth-archive/truth.csv"
    assert seen == [(1, 2), (2, 2)]
    files = fsspec.filesystem("memory")
    assert files.cat(url).startswith(b"network,station,location,class,start_time,end_time,source_id,snr\n")
    assert len(files.glob("memory://synth-archive/2024/XX/*/*/*")) == 6


def test_a_day_that_is_one_gap_has_no_files_and_one_row(tmp_path, monkeypatch):
    whole = Faults(gaps=((0, SMALL.samples_per_day),))
    monkeypatch.setattr("couloir.synth.station_day.draw_faults", lambda spec, station, day: whole)
    (row,) = write_station_day(str(tmp_path), SMALL, day=DAY, station=0)
    assert (row.label, row.end_ns - row.start_ns) == ("gap", DAY_NS)
    assert not list(tmp_path.rglob("*.066"))


def test_a_place_that_cannot_be_written_is_an_archive_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchiveError, match=r"file.*cannot be written"):
        write_archive(str(tmp_path / "file"), SMALL)
    with pytest.raises(ArchiveError, match=r"nowhere.*cannot be written"):
        write_station_day("nowhere://archive", SMALL, day=DAY, station=0)


def test_a_station_or_a_number_of_workers_out_of_range_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="station: 2 must be 0 to 1"):
        write_station_day(str(tmp_path), SMALL, day=DAY, station=2)
    with pytest.raises(ConfigError, match="workers: 0"):
        write_archive(str(tmp_path), SMALL, workers=0)
