import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from couloir.synth.truth import COLUMNS, TruthRow, merge_rows, signal_envelope, to_csv

ROW = TruthRow("XX", "CL01", "00", "rockfall", 1_700_000_000_123_456_789, 1_700_000_002_000_000_000, "a", 3.0)


@pytest.mark.parametrize("sampling_rate", [50.0, 100.0, 200.0])
def test_envelope_agrees_with_scipy(sampling_rate):
    length = round(30 * sampling_rate)
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(3, length)) * signal.windows.tukey(length, 0.9)
    corners = (1.0, min(45.0, 0.45 * sampling_rate))
    sections = signal.butter(4, corners, "bandpass", fs=sampling_rate, output="sos")
    analytic = signal.hilbert(signal.sosfiltfilt(sections, samples))
    expected = np.sqrt(np.sum(np.abs(analytic) ** 2, axis=0))
    inner = slice(length // 10, -length // 10)
    assert np.allclose(signal_envelope(samples, sampling_rate)[inner], expected[inner], atol=0.02)


def test_parts_of_a_source_at_a_station_become_one_row():
    later = replace(ROW, start_ns=ROW.end_ns, end_ns=ROW.end_ns + 5, snr=7.0)
    elsewhere = replace(ROW, station="CL02")
    assert merge_rows([later, elsewhere, ROW]) == [replace(ROW, end_ns=later.end_ns, snr=7.0), elsewhere]


def test_rows_are_in_order_of_time_whatever_order_they_came_in():
    rows = [replace(ROW, source_id=str(i), start_ns=ROW.start_ns - i) for i in range(5)]
    assert merge_rows(rows) == merge_rows(rows[::-1]) == rows[::-1]


def test_csv_has_iso_times_and_no_snr_for_gaps():
    gap = replace(ROW, label="gap", snr=None)
    first, second = csv.DictReader(io.StringIO(to_csv([ROW, gap])))
    assert tuple(first) == COLUMNS
    assert first["start_time"] == "2023-11-14T22:13:20.123456Z"
    assert (first["class"], first["snr"]) == ("rockfall", "3.00")
    assert (second["class"], second["snr"]) == ("gap", "")
