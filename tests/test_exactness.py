"""Detection in float32 blocks against the same rules in float64 on whole segments: the same triggers."""

import datetime as dt

import fsspec
import numpy as np
import pytest
from scipy import signal, stats

from couloir.archive.fetch import Fetcher
from couloir.archive.record import DayReader
from couloir.kernels.detection import detect
from couloir.runfile import build
from couloir.stages.plan import plan
from couloir.stages.settings import detection_rule
from couloir.synth import SynthSpec, write_archive

PAD = 16_000
EDGE, QUIET, MERGE, LEAST = 200, 200, 500, 50
SETTLED = 500
"""Samples from a segment's end on which the continuation beyond it has no say left."""


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    write_archive(str(folder), SynthSpec(start=dt.date(2024, 3, 4), days=1, stations=2), workers=2)
    return folder


@pytest.fixture(params=["luhu", "piton", "synthetic"])
def days(request, shared_data):
    """Give every station-day of a data set as grids, with the day's own slice."""
    if request.param == "synthetic":
        url, first = request.getfixturevalue("synthetic"), dt.date(2024, 3, 4)
    elif request.param == "luhu":
        url, first = shared_data("luhu-088") / "sds", dt.date(2020, 3, 28)
    else:
        url, first = shared_data("piton") / "sds", dt.date(2010, 9, 1)
    archive = {"url": str(url), "start": first, "end": first + dt.timedelta(days=1)}
    config = build({"archive": archive, "output": {"url": "nowhere"}})
    inventory = plan(config).inventory
    fetcher = Fetcher(fsspec.filesystem("file"))
    return detection_rule(config.detect), [
        (key, DayReader(fetcher, inventory.around(key, reach=1), 100.0, 35.0).read(key.day))
        for key in inventory.chosen
    ]


def float64_envelope(samples):
    """Detrend, continue by point reflection, filter both ways and take the analytic signal of the whole."""
    sections = signal.butter(4, (1.0, 45.0), "bandpass", fs=100.0, output="sos")
    wide = np.pad(signal.detrend(samples.astype(np.float64)), PAD, mode="reflect", reflect_type="odd")
    wide = signal.detrend(wide)
    filtered = signal.sosfilt(sections, signal.sosfilt(sections, wide)[::-1])[::-1]
    filtered *= signal.windows.tukey(len(filtered), PAD / len(filtered))  # Hilbert's kernel has long tails
    fast = np.pad(filtered, (0, (1 << (len(filtered) - 1).bit_length()) - len(filtered)))
    return np.abs(signal.hilbert(fast)[: len(filtered)])[PAD:-PAD]


def float64_day(record):
    """Give the vector envelope, NaN where a component is missing or an edge is near, and where it has settled."""
    n = len(next(iter(record.components.values())).samples)
    squared, settled = np.zeros(n), np.ones(n, bool)
    for grid in record.components.values():
        held = np.full(n, np.nan)
        clear = np.zeros(n, bool)
        for first, last in grid.runs:
            if last - first > 2 * EDGE:
                held[first + EDGE : last - EDGE] = float64_envelope(grid.samples[first:last])[EDGE:-EDGE]
                clear[first + SETTLED : max(last - SETTLED, first + SETTLED)] = True
        squared += held**2
        settled &= clear
    return np.sqrt(squared), settled


def walk(envelope, own, median, mad):
    """Go through the samples one by one, as docs/detection.md says it."""
    on, off = median + 12 * mad, median + 5 * mad
    triggers, onset, last, gap = [], None, 0, own.start - 1

    def close():
        if triggers and triggers[-1][2] == gap and onset - triggers[-1][1] <= MERGE:
            triggers[-1][1] = last + 1
        else:
            triggers.append([onset, last + 1, gap])

    for position in range(own.start, own.stop):
        value = envelope[position]
        if np.isnan(value):
            if onset is not None:
                close()
            onset, gap = None, position
        elif onset is None:
            if value > on:
                onset = last = position
        elif value > off:
            last = position
        elif position - last > QUIET:
            close()
            onset = None
    if onset is not None:
        close()
    return [(first, end) for first, end, _ in triggers if end - first >= LEAST]


def test_envelope_noise_and_triggers_are_those_of_float64(days):
    rule, records = days
    found_any = 0
    for key, record in records:
        found = detect(record.components, record.own, rule)
        envelope, settled = float64_day(record)
        valid = envelope[record.own][~np.isnan(envelope[record.own])]
        trace = found.envelopes[0]
        assert trace.valid == len(valid), key
        largest = valid.max()
        error = np.abs(np.sqrt(trace.squared) - envelope)[settled & ~np.isnan(envelope)]
        assert error.max() < 1e-4 * largest, key
        median, mad = np.median(valid), stats.median_abs_deviation(valid)
        assert trace.noise.median == pytest.approx(median, rel=1e-5), key
        assert trace.noise.mad == pytest.approx(mad, rel=1e-5), key
        expected = walk(envelope, record.own, median, mad)
        assert [(trigger.onset, trigger.end) for trigger in found.triggers] == expected, key
        found_any += len(expected)
    assert found_any > 50
