"""Damaged files by the thousand: no crash, no hang, no flood of memory, and every file has an outcome.

They are read in a process of their own with a bound on its memory, as a crash would end it. `benchmarks/fuzz.py`
looks further.
"""

import json
import subprocess
import sys
from pathlib import Path

import damage
import fuzzing
import pytest

from couloir.archive.decode import decode

ADDRESS_SPACE_MB = 3_000
PEAK_MB = 500
"""What reading files of some kilobytes may take; NumPy, SciPy and ObsPy alone are 130 MB."""
SLOWEST_S = 10.0


def fuzz(through, files, real=None, seed=0):
    command = [sys.executable, fuzzing.__file__, "--through", through, "--files", files, "--seed", seed]
    command += ["--memory-mb", ADDRESS_SPACE_MB, *(["--real", real] if real else [])]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert result.stdout, f"it died, exit code {result.returncode}:\n{result.stderr[-3_000:]}"
    return json.loads(result.stdout)


def check(found, files):
    assert found["problems"] == []
    assert sum(found["ended"].values()) == files
    assert found["peak_mb"] < PEAK_MB
    assert found["reader_peak_mb"] < PEAK_MB
    assert found["slowest_s"] < SLOWEST_S, found["slowest"]


def test_two_thousand_damaged_files_are_read_or_refused():
    found = fuzz("decode", 2_000)
    check(found, 2_000)
    kinds = ("read", "read with remarks", "unreadable")
    assert min(found["ended"][kind] for kind in kinds) > 100  # the damage is not all of a kind


def test_damaged_station_days_have_an_outcome_each():
    found = fuzz("detect", 500)
    check(found, 500)
    assert {"ok", "unreadable", "empty", "too_gappy"} <= set(found["ended"])
    assert "failed" not in found["ended"]


def test_damaged_real_recordings_have_an_outcome_each(shared_data):
    check(fuzz("detect", 500, real=shared_data("."), seed=1), 500)


def test_the_same_seed_makes_the_same_files():
    sources = damage.sound_sources(600)
    once, again = (list(damage.corpus(sources, 120, 5)) for _ in range(2))
    assert once == again
    assert {item.way.split(" + ")[0] for item in once} == set(damage.WAYS)
    assert [item.data for item in damage.corpus(sources, 1, 5, first=7)] == [once[7].data]


@pytest.mark.parametrize("source", damage.sound_sources(600), ids=lambda source: source.kind)
def test_what_is_damaged_was_sound(source):
    found = decode(source.data, source.channel, name="x")
    assert sum(len(trace.samples) for trace in found.traces) == 600
    assert found.remarks == ()


def test_the_benchmark_looks_further(tmp_path):
    script = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
    result = subprocess.run([sys.executable, script, "--files", "50"], capture_output=True, text=True)
    assert json.loads(result.stdout)["files"] == 50
