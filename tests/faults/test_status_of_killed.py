"""Runs that were really killed or stopped are told right, by a process that sees nothing but the output."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from couloir.store.location import Location
from couloir.store.progress import read_progress

from .conftest import START, assert_same, complete, finish, start


def status(run_file, *, code):
    told = subprocess.run(
        [sys.executable, "-m", "couloir.cli", "status", str(run_file), "--format", "json"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert told.returncode == code, told.stderr
    document = json.loads(told.stdout)
    return document, {stage["stage"]: stage for stage in document["stages"]}


def wait_for(output, process, stage, is_there):
    end = time.monotonic() + 200
    while time.monotonic() < end and process.poll() is None:
        found = read_progress(Location(str(output)), stage)
        if found is not None and is_there(found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{stage} never came so far: {finish(process, timeout=1)}")


def test_a_run_is_followed_through_training_and_its_death_is_told(run_file, tmp_path):
    path = run_file(train={"epochs": 100_000})
    process = start("run", path)
    wait_for(tmp_path / "output", process, "train", lambda told: told.rate)
    document, stages = status(path, code=0)
    assert not document["ended"]
    assert document["holder"]["alive"]
    assert (stages["detect"]["state"], stages["detect"]["done"], stages["detect"]["total"]) == ("done", 12, 12)
    train = stages["train"]
    assert (train["state"], train["phase"]) == ("running", "pretrain")
    assert 0 < train["done"] < train["total"]
    assert train["rate"] > 0
    assert train["ends_in_s"] > 0
    assert f"process {process.pid}" in train["by"]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    document, stages = status(path, code=3)
    assert document["ended"]
    assert stages["train"]["state"] == "silent"
    assert f"process {process.pid} on" in stages["train"]["reason"]
    assert [stages[name]["state"] for name in ("detect", "catalog", "report")] == ["done", "to do", "to do"]


def test_a_stopped_detection_is_told_and_done_when_it_was_gone_on_with(run_file, quiet, tmp_path):
    path = run_file()
    process = start("detect", path)
    marks = tmp_path / "output" / "spectrograms.zarr"
    end = time.monotonic() + 100
    while time.monotonic() < end and not list(marks.glob("*/*/zarr.json")):
        time.sleep(0.02)
    process.terminate()
    code, told = finish(process, timeout=60)
    if code == 0:
        pytest.skip("the detection was over before it was stopped")
    assert code == 143, told
    _, stages = status(path, code=0)
    detect = stages["detect"]
    assert detect["state"] == "stopped"
    assert detect["reason"].startswith("SIGTERM")
    assert 0 < detect["done"] < detect["total"] == 12
    complete("detect", path)
    document, stages = status(path, code=0)
    assert (stages["detect"]["state"], stages["detect"]["done"]) == ("done", 12)
    assert document["ended"]
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr")


def test_what_was_complete_before_is_no_part_of_the_rate(run_file, tmp_path):
    path = run_file()
    complete("detect", path)
    complete("detect", path)
    ended = read_progress(Location(str(tmp_path / "output")), "detect")
    assert (ended.done, ended.total, ended.rate) == (12, 12, None)


def test_a_stage_that_fails_and_a_plan_that_fails_are_told_with_their_reason(run_file, tmp_path):
    path = run_file(archive={"end": START + dt.timedelta(days=1)}, train={"clusters": 200})
    code, _ = finish(start("run", path))
    assert code == 1
    _, stages = status(path, code=3)
    assert stages["train"]["state"] == "failed"
    assert "200" in stages["train"]["reason"]
    lost = run_file("lost", archive={"url": str(tmp_path / "nowhere")})
    code, _ = finish(start("run", lost))
    assert code == 1
    _, stages = status(lost, code=3)
    assert stages["plan"]["state"] == "failed"
    assert "nowhere" in stages["plan"]["reason"]
    assert stages["detect"]["state"] == "to do"
