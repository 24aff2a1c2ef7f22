"""A made-up archive, and the command line run on it in processes that can be killed."""

import datetime as dt
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import obspy
import psutil
import pytest
import yaml

RATE = 20.0
START = dt.date(2024, 1, 30)  # two months: two blocks a station
DAYS = 4
STATIONS = ("AAA", "BBB", "CCC")
SHORT_TRAINING = {
    "clusters": 2,
    "filters": [4, 4],
    "latent": 4,
    "batch": 16,
    "epochs": 30,
    "max_iterations": 60,
    "update_interval": 10,
    "tolerance": 0.0,
    "kmeans_starts": 2,
}


def write_station_day(root, station, day, rng):
    n = round(86_400 * RATE)
    time = np.arange(n) / RATE
    bursts = [(rng.uniform(600, 85_000), rng.uniform(2, 8), rng.uniform(1, 7)) for _ in range(12)]
    for number, channel in enumerate(("HHE", "HHN", "HHZ")):
        data = rng.normal(0, 100, n)
        for onset, duration, frequency in bursts:
            part = slice(round(onset * RATE), round((onset + duration) * RATE))
            data[part] += 4_000 * np.sin(2 * np.pi * frequency * time[part] + number)
        header = {"network": "XX", "station": station, "channel": channel, "sampling_rate": RATE}
        header["starttime"] = obspy.UTCDateTime(day.year, day.month, day.day)
        folder = root / f"{day:%Y}" / "XX" / station / f"{channel}.D"
        folder.mkdir(parents=True, exist_ok=True)
        trace = obspy.Trace(np.rint(data).astype(np.int32), header)
        trace.write(str(folder / f"XX.{station}..{channel}.D.{day:%Y.%j}"), format="MSEED", encoding="STEIM2")


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("faults-archive")
    rng = np.random.default_rng(5)
    for station in STATIONS:
        for number in range(DAYS):
            write_station_day(root, station, START + dt.timedelta(days=number), rng)
    return root


def write_run_file(path, root, place, **sections):
    tree = {
        "archive": {"url": str(root), "start": START, "end": START + dt.timedelta(days=DAYS)},
        "output": {"url": str(place)},
        "detect": {"sampling_rate": RATE, "band": [1.0, 8.0]},
        "spectrogram": {"frequencies": 16, "times": 16},
        "train": SHORT_TRAINING,
        "compute": {"workers": 2, "memory_gb": 1.0},
    }
    for name, section in sections.items():
        tree[name] = {**tree[name], **section}
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture
def run_file(archive, tmp_path):
    """Write a run file for the archive, its output in a folder of this test."""

    def write(name="output", **sections):
        return write_run_file(tmp_path / f"{name}.yaml", archive, tmp_path / name, **sections)

    return write


def start(command, run_file, *options):
    """Start the command line; it and its workers are one group of processes."""
    return subprocess.Popen(
        [sys.executable, "-m", "couloir.cli", command, str(run_file), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process, timeout=240):
    """Wait for the end, and give exit code and all that was printed."""
    try:
        told, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, told


def complete(command, run_file, *options):
    code, told = finish(start(command, run_file, *options))
    assert code == 0, told
    return told


def workers_of(process):
    """Give the worker processes of a run; the helper that tracks shared memory is none."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def quiet(archive, tmp_path_factory) -> Path:
    """The output of a whole run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("faults-quiet")
    complete("run", write_run_file(folder / "run.yaml", archive, folder / "output"))
    return folder / "output"


def assert_same(output, quiet, *folders):
    """The outputs hold the same bytes in these folders."""
    for name in folders:
        mine, theirs = digest(output / name), digest(quiet / name)
        assert mine == theirs, f"{name}: {sorted(set(mine.items()) ^ set(theirs.items()))[:6]}"


def assert_same_archive(output, quiet):
    """Spectrograms from one archive in two places: all bytes but the hash of its objects' paths and versions."""

    def plain(folder):
        held = digest(folder / "spectrograms.zarr")
        for mark in (folder / "spectrograms.zarr").glob("*/*/zarr.json"):
            document = json.loads(mark.read_text())
            del document["attributes"]["couloir_complete"]["inputs"]
            held[str(mark.relative_to(folder / "spectrograms.zarr"))] = document
        return held

    assert plain(output) == plain(quiet)
