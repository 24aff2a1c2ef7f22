"""Readers that crash, hang, flood memory or print are a process away, and cost one file."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import psutil
import pytest

from couloir.archive.guard import Guard
from couloir.archive.guard import guard as guard_of_this_thread
from couloir.errors import UnreachableError, UnreadableError

COUNTS = np.arange(2_000, dtype=np.int32)
BAD_READER = """
import os, time, obspy
honest = obspy.read
def read(path, **options):
    what = open(path, "rb").read(6)
    if what == b"CRASH!":
        os.kill(os.getpid(), 11)
    while what == b"LOOP!!":
        pass
    if what == b"SLEEP!":
        time.sleep(600)
    if what == b"GREEDY":
        return bytearray(6 << 30)  # it is not touched: without a limit that would go well
    if what == b"CODES!":
        raise ValueError("bad\\x1b[31m " + "x" * 10_000)
    os.write(1, b"a reader in C prints what it likes")
    return honest(path, **options)
obspy.read = read
"""


@pytest.fixture
def bad_readers(tmp_path, monkeypatch):
    """Let the process that reads have a reader with every fault."""
    (tmp_path / "sitecustomize.py").write_text(BAD_READER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def guard(bad_readers):
    made = Guard(limit_s=2)
    yield made
    made.close()


def good(made):
    return made.encode(made.trace(COUNTS))


def read(guard, data):
    return guard.read(data, name="some/file", known="MSEED")


def gone(pid, within_s=10.0):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"CRASH!", r"some/file does not decode: its reader died of it \(SIGSEGV\)"),
        (b"LOOP!!", "took longer than 2 s"),
        (b"SLEEP!", "took longer than 2 s"),
        (b"GREEDY", r"takes more than 4\.3 GB of memory"),
        (b"CODES!", r"bad\?\[31m"),
    ],
)
def test_a_reader_that_fails_costs_its_file_and_no_other(guard, made, data, told):
    assert np.array_equal(read(guard, good(made)).traces[0].samples, COUNTS)
    began = time.monotonic()
    with pytest.raises(UnreadableError, match=told) as raised:
        read(guard, data)
    assert time.monotonic() - began < 8
    assert len(str(raised.value)) < 1_000
    assert np.array_equal(read(guard, good(made)).traces[0].samples, COUNTS)


def test_the_child_is_kept_from_file_to_file(guard, made):
    read(guard, good(made))
    first = guard._process.pid
    read(guard, good(made))
    assert guard._process.pid == first


def test_a_reader_killed_from_outside_may_go_well_another_time(guard, made):
    read(guard, good(made))
    pid = guard._process.pid
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(UnreachableError, match=r"some/file.*killed \(SIGKILL\)"):
        read(guard, b"SLEEP!")


def test_a_child_that_died_between_two_files_costs_none(guard, made):
    read(guard, good(made))
    os.kill(guard._process.pid, signal.SIGKILL)
    guard._process.wait()
    assert len(read(guard, good(made)).traces) == 1


def test_a_reader_that_does_not_start_is_no_fault_of_the_file(tmp_path, monkeypatch, made):
    (tmp_path / "obspy.py").write_text("raise ImportError('a library is missing')")
    monkeypatch.setattr("couloir.archive.guard._PACKAGE", f"{tmp_path}{os.pathsep}{package()}")
    with pytest.raises(UnreachableError, match="does not start: ImportError: a library is missing"):
        read(Guard(), good(made))


def package():
    import couloir.archive.guard as module

    return module._PACKAGE


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to end a child with its parent")
@pytest.mark.parametrize("doing", [b"", b"LOOP!!"], ids=["idle", "in a loop"])
def test_no_child_is_left_when_its_parent_is_killed(bad_readers, made, doing, tmp_path):
    (tmp_path / "good").write_bytes(good(made))
    code = f"""
        from couloir.archive.guard import Guard
        guard = Guard(limit_s=60)
        guard.read(open({str(tmp_path / "good")!r}, "rb").read(), name="x", known="MSEED")
        print(guard._process.pid, flush=True)
        guard.read({doing!r}, name="x", known="MSEED") if {doing!r} else __import__("time").sleep(60)
    """
    paths = f"{package()}{os.pathsep}{os.environ['PYTHONPATH']}"
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    )
    child = int(parent.stdout.readline())
    time.sleep(0.3)
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(child)


def test_each_thread_has_a_child_of_its_own_that_ends_with_it(made):
    pids = []

    def work():
        assert len(guard_of_this_thread().read(good(made), name="x").traces) == 1
        pids.append(guard_of_this_thread()._process.pid)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 2
    del threads, thread
    assert all(gone(pid) for pid in pids)
