"""One run at a time holds an output, on a disk and in a bucket, and a dead run's hold passes to one only."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import psutil
import pytest

from couloir.errors import HeldError, StoreError
from couloir.store import hold as module
from couloir.store.hold import holds, read_holder, take
from couloir.store.holder import Holder
from couloir.store.location import Location


@pytest.fixture(params=["local", "s3"])
def output(request, tmp_path):
    if request.param == "local":
        return Location(str(tmp_path / "out"))
    options = request.getfixturevalue("s3").options()
    return Location(f"s3://{request.getfixturevalue('bucket')}/out", options)


def leave(output, number=1, **changes):
    """Leave the hold of another machine in the output."""
    holder = replace(Holder.here(), machine="another", host="elsewhere", user="ann", **changes)
    (output / "hold" / f"{number:06d}.json").write_bytes(json.dumps(asdict(holder)).encode())
    return holder


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "SIGN_S", 0.05)
    monkeypatch.setattr(module, "WATCH_S", 0.4)


def test_the_second_is_told_who_holds_it_since_when(output):
    first = take(output)
    with pytest.raises(
        HeldError, match=rf"held by .* \(process {os.getpid()}\) since {re.escape(first.holder.since)}"
    ):
        take(output)
    first.release()
    take(output).release()


def test_who_holds_it_or_held_it_last_can_be_read(output):
    assert read_holder(output) is None
    held = take(output)
    assert read_holder(output).token == held.token
    held.release()
    assert read_holder(output).released


def test_what_was_released_is_free_and_numbers_only_grow(output):
    for number in (1, 2, 3):
        held = take(output)
        assert (output / "hold").names() == [f"{number:06d}.json"]
        assert holds(output, held.token)
        held.release()
        assert not holds(output, held.token)


def test_of_many_that_ask_at_once_one_gets_it(output):
    def ask(_):
        try:
            return take(output)
        except HeldError:
            return None

    with ThreadPoolExecutor(8) as pool:
        got = [held for held in pool.map(ask, range(8)) if held]
    assert len(got) == 1
    assert holds(output, got[0].token)
    got[0].release()


def test_of_many_that_find_a_stale_hold_one_takes_it_over(output, quick):
    dead = leave(output, number=7, sign=time.time() - 1000)

    def ask(_):
        try:
            return take(output)
        except HeldError:
            return None

    with ThreadPoolExecutor(8) as pool:
        got = [held for held in pool.map(ask, range(8)) if held]
    assert len(got) == 1
    assert holds(output, got[0].token)
    assert not holds(output, dead.token)
    got[0].release()


def test_one_who_looked_long_ago_does_not_win_over_those_who_came_since(output, monkeypatch):
    leave(output, number=1, released=True)
    honest = module._refuse_the_living
    others = []

    def slow(*arguments):
        honest(*arguments)
        if not others:
            others.append(None)
            for _ in range(3):  # meanwhile whole runs come and go, and one stays
                others.append(take(output))
                if len(others) < 4:
                    others[-1].release()

    monkeypatch.setattr(module, "_refuse_the_living", slow)
    with pytest.raises(HeldError, match="this very moment"):
        take(output)
    assert holds(output, others[-1].token)
    others[-1].release()


def test_a_hold_on_another_machine_is_not_taken_before_it_is_stale(output, quick):
    leave(output, sign=time.time() - 60)
    with pytest.raises(HeldError, match="ann on elsewhere"):
        take(output)


def test_a_holder_whose_clock_is_behind_but_who_lives_keeps_its_hold(output, quick, monkeypatch):
    behind = leave(output, sign=time.time() - 5000)
    told = []

    def alive(message):
        told.append(message)
        leave(output, sign=behind.sign + 1, token=behind.token)

    with pytest.raises(HeldError, match="ann on elsewhere"):
        take(output, tell=alive)
    assert "watching" in told[0]


def test_a_run_that_was_taken_over_from_notices(output, quick):
    first = take(output)
    leave(output, number=2)
    end = time.monotonic() + 20
    while time.monotonic() < end and not first._lost:
        time.sleep(0.05)
    with pytest.raises(HeldError, match="taken over"):
        first.check()
    first.release()
    assert module._highest(output)[0] == 2


def test_signs_of_life_are_given(output, quick):
    held = take(output)
    before = module._highest(output)[1].sign
    time.sleep(1.0)
    assert module._highest(output)[1].sign > before
    held.check()
    held.release()


def _hold_and_sleep(url, ready):
    take(Location(url))
    ready.set()
    time.sleep(600)


def test_a_killed_process_of_this_machine_is_taken_over_from_at_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=_hold_and_sleep, args=(str(tmp_path), ready))
    process.start()
    assert ready.wait(60)
    with pytest.raises(HeldError):
        take(Location(str(tmp_path)))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    take(Location(str(tmp_path))).release()


def test_an_output_that_cannot_be_written_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot write"):
        take(Location(str(tmp_path / "file" / "out")))


def test_a_hold_that_cannot_be_read_is_named(tmp_path):
    output = Location(str(tmp_path))
    (output / "hold" / "000001.json").write_text("{")
    with pytest.raises(HeldError, match=r"hold/000001\.json does not say"):
        take(output)


def test_importing_it_starts_no_thread():
    code = "import threading, couloir.store.hold; print(threading.active_count())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "1"


def test_a_killed_process_that_nobody_reaped_is_gone(tmp_path):
    output = Location(str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    born = psutil.Process(process.pid).create_time()
    holder = replace(Holder.here(), pid=process.pid, born=born)
    (output / "hold" / "000001.json").write_bytes(json.dumps(asdict(holder)).encode())
    with pytest.raises(HeldError):
        take(output)
    process.kill()  # and not waited for: a zombie
    end = time.monotonic() + 30
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        time.sleep(0.05)
    take(output).release()
    process.wait()


def test_a_job_of_slurm_that_starts_anew_takes_over_from_its_own_past_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    output = Location(str(tmp_path))
    past = replace(Holder.here(), machine="another node")
    (output / "hold" / "000001.json").write_bytes(json.dumps(asdict(past)).encode())
    with pytest.raises(HeldError):
        take(output)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    take(output).release()
    monkeypatch.setenv("SLURM_JOB_ID", "18")
    (output / "hold" / "000003.json").write_bytes(json.dumps(asdict(past)).encode())
    with pytest.raises(HeldError):
        take(output)


def test_one_that_is_silent_on_this_machine_too_is_taken_over_from(tmp_path, quick):
    output = Location(str(tmp_path))
    holder = replace(Holder.here(), sign=time.time() - 1000)
    (output / "hold" / "000001.json").write_bytes(json.dumps(asdict(holder)).encode())
    take(output).release()
