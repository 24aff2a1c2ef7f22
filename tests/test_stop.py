"""SIGTERM is neither lost nor comes where it would tear something apart."""

import os
import signal
import subprocess
import sys

import pytest

from couloir import stop
from couloir.errors import Terminated


@pytest.fixture(autouse=True)
def listening(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(stop, "_asked", False)
    stop.listen()
    yield
    signal.signal(signal.SIGTERM, before)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_it_is_raised_where_the_process_is():
    with pytest.raises(Terminated):
        terminate()


def test_it_waits_for_the_next_check():
    reached = []

    def work():
        with stop.at_checks_only():
            terminate()
            reached.append("not torn apart")
            stop.check()
            reached.append("went on")

    with pytest.raises(Terminated):
        work()
    assert reached == ["not torn apart"]


def test_one_that_came_after_the_last_check_is_not_lost():
    reached = []

    def work():
        with stop.at_checks_only():
            stop.check()
            terminate()
            reached.append("ended")

    with pytest.raises(Terminated):
        work()
    assert reached == ["ended"]


def test_without_it_a_check_finds_nothing():
    with stop.at_checks_only():
        stop.check()


def test_one_told_twice_in_a_moment_is_one():
    def work():
        with pytest.raises(Terminated):
            terminate()
        terminate()
        return "went on to its end"

    assert work() == "went on to its end"


def test_a_later_one_ends_the_process_at_once():
    code = """
import os, signal, time
from couloir import stop
stop.TOGETHER_S = 0.0
stop.listen()
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
except KeyboardInterrupt:
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGTERM
