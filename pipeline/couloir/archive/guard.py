"""Read any format of ObsPy's with its readers out of harm's way: in a process that may crash or hang."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from couloir.archive.limits import LIMIT_S
from couloir.archive.reader import LENGTH_BYTES
from couloir.archive.remarks import plain
from couloir.archive.trace import Trace
from couloir.errors import UnreachableError, UnreadableError
from couloir.identifiers import ChannelId

MEMORY_BYTES = 4 << 30
"""Address space of the process that reads."""
START_S = 120.0
"""How long the process may take to start: ObsPy comes from a slow disk on some clusters."""
_PACKAGE = str(Path(__file__).parents[2])
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)
"""Signals that no reader raises by itself: a system short of memory, or someone, ended it."""
_MAX_HEAD = 64 << 20
"""Bytes of an answer's description: a million traces."""


@dataclass(frozen=True)
class Read:
    """Hold what ObsPy made of a file: the format that it took it for, and its traces.

    Attributes
    ----------
    format : str or None
        None when no format claims it.
    traces : tuple of Trace
    """

    format: str | None
    traces: tuple[Trace, ...]


class _EndedError(Exception):
    """Say that the process closed its pipe."""


class Guard:
    """Read files one after another in one child process, which is started when needed and again when it died.

    Parameters
    ----------
    limit_s : float
        How long one file may take, s.
    memory : int
        Address space of the child, bytes.
    """

    def __init__(self, limit_s: float = LIMIT_S, memory: int = MEMORY_BYTES) -> None:
        self.limit_s, self.memory = limit_s, memory
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, data: bytes, *, name: str, known: str | None = None) -> Read:
        """Read bytes in the format they are in.

        Parameters
        ----------
        data : bytes
            A whole file.
        name : str
            Of the file, for errors.
        known : str, optional
            The format, where it is known.

        Raises
        ------
        UnreadableError
            When the reader refuses the file, dies of it or takes too long.
        UnreachableError
            When the reader cannot be started or was killed: it may go well another time.
        """
        process = self._ready(name)
        with tempfile.NamedTemporaryFile(prefix="couloir-") as file:  # many readers take nothing but a file
            file.write(data)
            file.flush()
            deadline = time.monotonic() + self.limit_s
            try:
                _ask(process, {"path": file.name, "format": known})
                return _answer(process, deadline)
            except TimeoutError:
                self.close()
                raise UnreadableError(
                    f"{name} does not decode: its reader took longer than {self.limit_s:g} s and was stopped"
                ) from None
            except (_EndedError, OSError):
                raise self._death(process, name) from None
            except ValueError as error:
                if not isinstance(error, UnreadableError):
                    self.close()  # an answer out of order: nothing that follows can be trusted
                raise UnreadableError(plain(f"{name} does not decode: {error}")) from error

    def close(self) -> None:
        """Stop the child."""
        if self._process:
            _stop(self._process)
            self._process = None

    def _ready(self, name: str) -> "subprocess.Popen[bytes]":
        if self._process and self._process.poll() is None:
            return self._process
        self.close()
        self._process = process = _start(self.limit_s, self.memory)
        weakref.finalize(self, _stop, process)
        try:
            _answer(process, time.monotonic() + START_S)
        except (ValueError, OSError, _EndedError) as error:
            self.close()
            told = str(error) or type(error).__name__
            raise UnreachableError(f"{name}: the process that reads such files does not start: {told}") from error
        return process

    def _death(self, process: "subprocess.Popen[bytes]", name: str) -> Exception:
        code = process.wait()
        self.close()
        if code == -signal.SIGXCPU:
            return UnreadableError(f"{name} does not decode: its reader took longer than {self.limit_s:g} s")
        told = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if -code in _FROM_OUTSIDE:
            return UnreachableError(f"{name}: its reader was killed ({told}): is there enough memory?")
        return UnreadableError(f"{name} does not decode: its reader died of it ({told})")


_here = threading.local()


def guard() -> Guard:
    """Give this thread's guard; its child ends with the thread, and with the process however that ends."""
    found: Guard | None = getattr(_here, "guard", None)
    if found is None:
        found = _here.guard = Guard()
    return found


def _start(limit_s: float, memory: int) -> "subprocess.Popen[bytes]":
    paths = [_PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-P", "-m", "couloir.archive.reader", str(int(limit_s) + 1), str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _ask(process: "subprocess.Popen[bytes]", request: dict[str, Any]) -> None:
    text = json.dumps(request).encode()
    assert process.stdin  # noqa: S101 - it was asked for
    process.stdin.write(len(text).to_bytes(LENGTH_BYTES, "big") + text)


def _answer(process: "subprocess.Popen[bytes]", deadline: float) -> Read:
    assert process.stdout  # noqa: S101 - it was asked for
    descriptor = process.stdout.fileno()
    length = int.from_bytes(_receive(descriptor, LENGTH_BYTES, deadline), "big")
    if length > _MAX_HEAD:
        raise ValueError(f"an answer of {length} bytes")
    head = json.loads(_receive(descriptor, length, deadline))
    if "error" in head:
        raise UnreadableError(head["error"])
    return Read(head.get("format"), tuple(_traces(head.get("traces", ()), descriptor, deadline)))


def _traces(rows: list[dict[str, Any]], descriptor: int, deadline: float) -> Iterator[Trace]:
    for row in rows:
        kind = np.dtype(row["dtype"])
        data = _receive(descriptor, row["count"] * kind.itemsize, deadline)
        samples = np.frombuffer(data, kind) if data else np.empty(0, kind)
        yield Trace(ChannelId(*row["codes"]), row["start_ns"], row["sampling_rate"], samples)


def _receive(descriptor: int, length: int, deadline: float) -> bytearray:
    """Take so many bytes from a pipe.

    Raises
    ------
    TimeoutError
        When the deadline, a moment of the monotonic clock, passes before they are there.
    """
    data = bytearray(length)
    left = memoryview(data)
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while len(left):
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1e3):
            raise TimeoutError
        count = os.readv(descriptor, [left])
        if not count:
            raise _EndedError
        left = left[count:]
    return data
