"""Stop in order when the machine, or its scheduler, says so by SIGTERM."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from couloir.errors import Terminated

TOGETHER_S = 3.0
"""Signals that come within this time are one, s."""

_asked = False
_asked_at = 0.0
_deferred = False


def listen() -> None:
    """Turn SIGTERM into `Terminated`, raised where the main thread is.

    Schedulers send it more than once in a moment: to the process and to all of its job. One that comes later than
    that ends the process at once.
    """
    signal.signal(signal.SIGTERM, _stop)


def check() -> None:
    """Raise what was put off.

    Raises
    ------
    Terminated
        When SIGTERM came while it was put off.
    """
    if _asked:
        raise Terminated


@contextmanager
def at_checks_only() -> Iterator[None]:
    """Put `Terminated` off to the next `check`: what is between two of them is not torn apart."""
    global _deferred
    _deferred = True
    try:
        yield
    finally:
        _deferred = False
    check()


def _stop(number: int, _: FrameType | None) -> None:
    global _asked, _asked_at
    if _asked:
        if time.monotonic() - _asked_at > TOGETHER_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        return
    _asked, _asked_at = True, time.monotonic()
    if not _deferred:
        raise Terminated
