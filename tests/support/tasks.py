"""Tasks that workers can import, for tests of pools."""

import operator
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A task that fetches its number."""

    value: int
    bytes_ahead: int = 1

    def fetch(self):
        return self.value


@dataclass(frozen=True)
class SlowToFetch(Number):
    seconds: float = 1.0

    def fetch(self):
        began = time.time()
        time.sleep(self.seconds)
        return began


def negate(task, fetched):
    assert task.value == fetched
    return operator.neg(fetched)


def span(task, fetched):
    """Work a little, and tell when fetching began, when work began and when it ended."""
    began = time.time()
    time.sleep(0.2)
    return fetched, began, time.time()


def sleep_if_negative(task, fetched):
    time.sleep(600 if task.value < 0 else 0.05)
    return task.value


def done_at(task, fetched):
    """Tell when it was worked on."""
    time.sleep(0.1)
    return time.time()
