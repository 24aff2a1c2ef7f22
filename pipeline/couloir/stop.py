"""Stop in order when the machine, or its scheduler, says so by SIGTERM."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from couloir.errors import Terminated

_asked = False
_deferred = False


def listen() -> None:
    """Turn SIGTERM into `Terminated`, raised where the main thread is; a second one ends the process at once."""
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
    global _asked
    _asked = True
    signal.signal(number, signal.SIG_DFL)
    if not _deferred:
        raise Terminated
