"""The whole job on 80 minutes of the paper's own network, against an independent computation."""

import csv
from collections import Counter

import numpy as np
import obspy
import pytest
import zarr
from obspy.signal.filter import envelope
from scipy import signal

from couloir.catalog.events import numpy_column, read_events
from couloir.cli import main
from couloir.store.location import Location

pytestmark = pytest.mark.filterwarnings("ignore::couloir.errors.CouloirWarning")  # too short a training
STATIONS = ("GG.LH01.10.EH", "GG.LH02.10.EH", "GG.LH03.10.EH", "GG.LH04.10.EH", "TW.LH05.00.EH")
RUN_FILE = """
preset: small
archive: {{url: {archive}, select: "*.LH0?.*.EH?", start: 2020-03-28, end: 2020-03-29}}
output: {{url: {output}}}
train: {{epochs: 3, max_iterations: 40, kmeans_starts: 3}}
catalog: {{truth: {truth}, quakeml: true, coincidence_stations: 3, coincidence_s: 8}}
compute: {{workers: 2}}
"""


@pytest.fixture(scope="module")
def finished(shared_data, tmp_path_factory):
    """The output of `couloir run` on the recordings."""
    from click.testing import CliRunner

    luhu = shared_data("luhu-088")
    folder = tmp_path_factory.mktemp("luhu")
    run_file = folder / "run.yaml"
    run_file.write_text(
        RUN_FILE.format(archive=luhu / "sds", output=folder / "out", truth=luhu / "pseudo_labels.csv")
    )
    result = CliRunner().invoke(main, ["run", str(run_file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "majority class" in result.output
    return folder / "out"


@pytest.fixture(scope="module")
def table(finished):
    return read_events(Location(str(finished / "catalog")))


class Reference:
    """The same detection by ObsPy and SciPy alone, in float64 on the whole trace."""

    def __init__(self, sds, band):
        network, station, location, _ = band.split(".")
        files = sds / "2020" / network / station
        stream = obspy.Stream()
        for path in sorted(files.glob(f"EH?.D/{network}.{station}.{location}.*")):
            stream += obspy.read(str(path))
        start = max(trace.stats.starttime for trace in stream)
        stream.trim(start, min(trace.stats.endtime for trace in stream))
        stream.sort(["channel"])
        self.start_ns = start.ns
        self.raw = np.stack([trace.data for trace in stream])
        sections = signal.butter(4, [1, 45], "bandpass", fs=100, output="sos")
        filtered = signal.sosfiltfilt(sections, signal.detrend(self.raw.astype(float), axis=1), axis=1)
        self.envelope = np.sqrt(sum(envelope(row) ** 2 for row in filtered))
        counted = self.envelope[200:-200]
        self.median = np.median(counted)
        self.mad = np.median(np.abs(counted - self.median))

    def onsets(self):
        """Go through the samples one by one: 12 MAD on, 5 MAD off for 2 s, 5 s apart, half a second long."""
        on, off = self.median + 12 * self.mad, self.median + 5 * self.mad
        triggers, onset, last = [], None, 0
        for position, value in enumerate(self.envelope[200:-200].tolist(), start=200):
            if onset is None and value > on:
                onset = position
            if onset is not None:
                if value > off:
                    last = position
                elif position - last > 200:
                    triggers.append([onset, last])
                    onset = None
        merged = []
        if onset is not None:
            triggers.append([onset, last])
        for first, end in triggers:
            if merged and first - merged[-1][1] <= 500:
                merged[-1][1] = end
            else:
                merged.append([first, end])
        return np.array([first for first, last in merged if last - first >= 50])


def rows_of(table, band):
    network, station, *_ = band.split(".")
    names = zip(table["network"].to_pylist(), table["station"].to_pylist(), strict=True)
    return np.array([name == (network, station) for name in names])


@pytest.mark.parametrize("band", STATIONS)
def test_thresholds_onsets_windows_and_amplitudes_agree_with_obspy_and_scipy(finished, table, shared_data, band):
    reference = Reference(shared_data("luhu-088") / "sds", band)
    mine = rows_of(table, band)
    assert mine.any(), "every station gives events"
    median, mad = (numpy_column(table, name)[mine][0] for name in ("median", "mad"))
    assert median == pytest.approx(reference.median, rel=0.01)
    assert median + 12 * mad == pytest.approx(reference.median + 12 * reference.mad, rel=0.01)

    first_windows = mine & (numpy_column(table, "window") == 0)
    onsets = (numpy_column(table, "onset_time")[first_windows] - reference.start_ns) / 1e7
    expected = reference.onsets()
    found = np.array([np.abs(onsets - onset).min() <= 50 for onset in expected])
    assert found.mean() >= 0.95
    assert len(onsets) == pytest.approx(len(expected), rel=0.05, abs=1)

    group = zarr.open_group(str(finished / "spectrograms.zarr"), path=f"{band}/2020-03", mode="r")
    for start, waveform in zip(group["start_time"][:], group["waveform"][:], strict=True):
        first = round((int(start) - reference.start_ns) / 1e7)
        a, b = max(first, 0), min(first + 2000, reference.raw.shape[1])
        np.testing.assert_array_equal(waveform[:, a - first : b - first], reference.raw[:, a:b])

    peaks = numpy_column(table, "peak_time")[mine]
    amplitudes = numpy_column(table, "peak_amplitude")[mine]
    at = np.rint((peaks - reference.start_ns) / 1e7).astype(int)
    np.testing.assert_allclose(amplitudes, reference.envelope[at], rtol=0.01)


def test_nearly_all_labelled_intervals_meet_a_trigger(table, shared_data):
    rows = list(csv.DictReader((shared_data("luhu-088") / "pseudo_labels.csv").open()))
    onset, end = (numpy_column(table, name) / 1e9 for name in ("onset_time", "end_time"))
    names = np.array(table["station"].to_pylist())
    found, total = Counter(), Counter()
    for row in rows:
        start, stop = (obspy.UTCDateTime(row[name]).timestamp for name in ("start_time", "end_time"))
        if stop - start < 2:
            continue
        meets = (names == row["station"]) & (onset < stop + 1) & (end > start - 1)
        total[row["station"], row["class"]] += 1
        found[row["station"], row["class"]] += bool(meets.any())
    for key in sorted(total):
        print(f"{key[0]} {key[1]:<10} {found[key]} of {total[key]}")
    print("events:", dict(Counter(names.tolist())))
    for name in ("rockfall", "earthquake"):
        hit, all_of_it = (sum(n for key, n in c.items() if key[1] == name) for c in (found, total))
        print(f"{name}: {hit} of {all_of_it}")
        assert hit >= 0.9 * all_of_it


def test_the_outputs_open_in_the_tools_of_the_trade(finished, table):
    import duckdb
    import pandas as pd
    import polars as pl
    import xarray as xr

    n = len(table)
    events = finished / "catalog" / "events"
    frame = pd.read_parquet(events)
    assert len(frame) == n
    assert frame["start_time"].dt.tz is not None
    assert len(pl.read_parquet(str(events / "**" / "*.parquet"))) == n
    assert duckdb.sql(f"select count(*) from '{events}/**/*.parquet'").fetchall() == [(n,)]
    text = pd.read_csv(finished / "catalog" / "events.csv", keep_default_na=False)
    assert text["event_id"].is_unique
    assert list(text.columns) == table.column_names
    clusters = pd.read_csv(finished / "catalog" / "clusters.csv")
    assert clusters["events"].sum() == n
    first_windows = frame[frame["window"] == 0]
    quakeml = obspy.read_events(str(finished / "catalog" / "catalog.xml"))
    assert len(quakeml) == first_windows["network_event_id"].fillna(first_windows["event_id"]).nunique()
    assert sum(len(event.picks) for event in quakeml) == len(first_windows)
    tree = xr.open_datatree(str(finished / "spectrograms.zarr"), engine="zarr", consolidated=False)
    block = tree["GG.LH01.10.EH/2020-03"].to_dataset()
    assert block["spectrogram"].dims == ("event", "frequency", "time", "component")
    assert str(block["onset_time"].dtype) == "datetime64[ns]"


def test_the_report_stands_alone(finished):
    page = (finished / "report" / "index.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "GG.LH01" in page
    assert 'src="http' not in page


def test_network_events_are_onsets_on_several_stations_within_seconds(table):
    frame = table.to_pandas()
    together = frame.dropna(subset="network_event_id").groupby("network_event_id")
    assert len(together) >= 5
    spans = together["onset_time"].agg(lambda times: (times.max() - times.min()).total_seconds())
    assert spans.max() <= 8
    assert (together["station"].nunique() == together["stations"].first()).all()
    assert together["stations"].first().min() >= 3
    assert frame["network_event_id"].isna().any()
    assert frame.loc[frame["network_event_id"].isna(), "stations"].isna().all()
    named = frame.groupby(["station", "onset_time"])["network_event_id"].nunique()
    assert named.max() == 1  # all windows of a trigger belong to the same network event
