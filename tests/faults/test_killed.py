"""Workers and whole runs that are killed at random moments leave the same bytes as a quiet run."""

import os
import signal
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest

from .conftest import assert_same, complete, finish, start, workers_of


def test_workers_killed_again_and_again_change_no_byte(run_file, quiet, tmp_path):
    moments = np.random.default_rng(1)
    process = start("detect", run_file())
    killed = 0
    while process.poll() is None and killed < 8:
        time.sleep(moments.uniform(0.2, 1.2))
        if workers := workers_of(process):
            with suppress(psutil.NoSuchProcess):
                workers[moments.integers(len(workers))].kill()
                killed += 1
    code, told = finish(process)
    assert code == 0, told
    assert killed >= 2
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr")


def kill_whole(process):
    """Kill a run as a machine that dies does: all of it at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bytes(run_file, quiet, tmp_path, seed):
    moments = np.random.default_rng(seed)
    path = run_file()
    for _ in range(4):
        process = start("run", path)
        time.sleep(moments.uniform(2, 12))
        if process.poll() is not None:
            break
        kill_whole(process)
    told = complete("run", path)
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr", "catalog")
    assert "Report:" in told


def test_the_scheduler_alone_killed_takes_its_workers_with_it_and_the_next_run_goes_on(run_file, quiet, tmp_path):
    path = run_file()
    process = start("detect", path)
    end = time.monotonic() + 60
    while time.monotonic() < end and not list((tmp_path / "output").glob("checksums/*/*.json")):
        time.sleep(0.05)
    workers = workers_of(process)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    complete("detect", path)
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr")


def test_what_was_complete_is_not_done_again(run_file, quiet, tmp_path):
    path = run_file()
    process = start("detect", path)
    marks = tmp_path / "output" / "spectrograms.zarr"
    end = time.monotonic() + 60
    while time.monotonic() < end and len(list(marks.glob("*/*/zarr.json"))) < 2:
        time.sleep(0.02)
    kill_whole(process)
    before = {mark: mark.stat().st_mtime_ns for mark in marks.glob("*/*/zarr.json")}
    assert len(before) >= 2
    complete("detect", path)
    after = {mark: mark.stat().st_mtime_ns for mark in marks.glob("*/*/zarr.json")}
    assert {mark: after[mark] for mark in before} == before
    assert len(after) == 6
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr")


def has_begun_training(temporary):
    logs = temporary.glob("couloir-train-*/log.csv")
    return any("pretrain" in log.read_text() for log in logs)


@pytest.mark.parametrize("command", ["detect", "run"])
def test_sigterm_stops_in_seconds_with_its_exit_code_and_the_state_kept(
    run_file, quiet, tmp_path, monkeypatch, command
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = run_file(command, train={"epochs": 100_000} if command == "run" else {})
    process = start(command, path)
    marks = tmp_path / command / "spectrograms.zarr"
    wanted = 1 if command == "detect" else 6
    end = time.monotonic() + 200
    while time.monotonic() < end and len(list(marks.glob("*/*/zarr.json"))) < wanted:
        time.sleep(0.05)
    while command == "run" and time.monotonic() < end and not has_begun_training(tmp_path):
        time.sleep(0.05)
    workers = workers_of(process)
    asked = time.monotonic()
    process.terminate()
    code, told = finish(process, timeout=60)
    assert code == 143, told
    assert "stopped by SIGTERM; the same command goes on from here" in told
    assert "Traceback" not in told
    assert time.monotonic() - asked < 30
    assert not psutil.wait_procs(workers, timeout=20)[1]
    if command == "run":
        assert list((tmp_path / command / "model" / "checkpoint").glob("*.npz"))
    complete("detect", path)  # nobody holds the output
    assert_same(tmp_path / command, quiet, "spectrograms.zarr")
