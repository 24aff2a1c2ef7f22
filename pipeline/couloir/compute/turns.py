"""Let a worker fetch and write beside the task at work: one at work at a time, within a budget of bytes."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from distributed import Worker, WorkerPlugin, get_worker


class Ahead(Protocol):
    """Describe a task part of whose work is to wait for bytes."""

    @property
    def bytes_ahead(self) -> int:
        """Bytes that `fetch` will hold at most."""
        ...

    def fetch(self) -> Any:
        """Fetch them; what comes of it is for the task's function."""
        ...


class Turns:
    """Share one process between tasks.

    Parameters
    ----------
    budget : int
        Bytes fetched and not yet worked on, at most; a task that needs more than this alone has it alone.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._held = 0
        self._room = threading.Condition()
        self._turn = threading.Condition()
        self._urgent = 0
        self._alone = threading.Lock()
        self._busy: dict[str, set[Any]] = {"alone": set(), "fetch": set()}
        self.at_work: Any = None
        """What the task whose turn it is calls itself; None between turns."""

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Wait until there is room for so many bytes, and hold it."""
        with self._room:
            while self._held and self._held + size > self._budget:
                self._room.wait()
            self._held += size
        try:
            yield
        finally:
            with self._room:
                self._held -= size
                self._room.notify_all()

    @contextmanager
    def turn(self, name: Any, *, urgent: bool = False) -> Iterator[None]:
        """Wait for the turn, and have it; an urgent task gets it before others that wait."""
        with self._turn:
            self._urgent += urgent
            while self.at_work is not None or (self._urgent and not urgent):
                self._turn.wait()
            self._urgent -= urgent
            self.at_work = name
        try:
            yield
        finally:
            with self._turn:
                self.at_work = None
                self._turn.notify_all()

    @contextmanager
    def alone(self, name: Any) -> Iterator[None]:
        """Wait until no other task is `alone`, and be it."""
        with self._alone, self.fetching(name, "alone"):
            yield

    @contextmanager
    def fetching(self, name: Any, what: str = "fetch") -> Iterator[None]:
        """Note what a task does, for `at_work` to tell."""
        self._busy[what].add(name)
        try:
            yield
        finally:
            self._busy[what].discard(name)

    def busy(self) -> set[Any]:
        """Name the tasks that others wait for; if there are none, those that wait for bytes."""
        working = {self.at_work} - {None} | self._busy["alone"]
        return working or set(self._busy["fetch"])


class TakeTurns(WorkerPlugin):  # type: ignore[misc]
    """Give a worker its turns, and end it with the process that started it: an orphan must not write.

    Parameters
    ----------
    budget : int
        Bytes.
    """

    name = "couloir-turns"

    def __init__(self, budget: int) -> None:
        self._budget = budget

    def setup(self, worker: Worker) -> None:
        """Set a worker up before it gets tasks; Ctrl-C, which a terminal sends to all, is not for it."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker.couloir_turns = Turns(self._budget)
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task beside those that take turns, as the only one of its kind; it asks for `my_turn` by itself."""
    worker = get_worker()
    with worker.couloir_turns.alone(worker.get_current_task()):
        return function(*arguments)


def my_turn() -> AbstractContextManager[None]:
    """Wait for this task's turn before others that wait, and have it; where there are no turns, go on."""
    try:
        worker = get_worker()
    except ValueError:  # not on a worker
        return nullcontext()
    turn: AbstractContextManager[None] = worker.couloir_turns.turn(worker.get_current_task(), urgent=True)
    return turn


def fetch_then_in_turn(function: Callable[[Any, Any], Any], argument: Ahead) -> Any:
    """Fetch what a task needs beside the work of others, then run it when it is its turn."""
    worker = get_worker()
    turns = worker.couloir_turns
    with turns.room(argument.bytes_ahead):
        with turns.fetching(worker.get_current_task()):
            fetched = argument.fetch()
        with turns.turn(worker.get_current_task()):
            return function(argument, fetched)


def at_work(dask_worker: Worker) -> Any:
    """Give the keys of the tasks that a worker does not get done; runs there."""
    return dask_worker.couloir_turns.busy()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
