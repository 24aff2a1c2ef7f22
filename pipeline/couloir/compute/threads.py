"""Run tasks in threads of this process, for debugging; one thread is serial."""

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from couloir.compute.turns import Ahead


class ThreadPool:
    """Run tasks in threads.

    Parameters
    ----------
    workers : int, optional
        As many as cores when not given.
    """

    def __init__(self, workers: int | None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._executor = ThreadPoolExecutor(self.workers)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Start a task; handles among its arguments must be done."""
        return self._executor.submit(lambda: function(*(_resolve(argument) for argument in arguments)))

    def submit_each(self, function: Callable[[Any, Any], Any], arguments: Sequence[Ahead]) -> list[Future[Any]]:
        """Start a task for each argument."""
        return [self._executor.submit(lambda one: function(one, one.fetch()), argument) for argument in arguments]

    def wait(self, handles: Collection[Future[Any]], *, timeout_s: float) -> set[Future[Any]]:
        """Wait until at least one task is done."""
        return set(wait(handles, timeout=timeout_s, return_when=FIRST_COMPLETED).done)

    def give_up(self, handles: Collection[Future[Any]]) -> set[Future[Any]]:
        """End nothing: a thread cannot be ended, so those that run are told as failed and left behind."""
        return {handle for handle in handles if handle.running()} or set(handles)

    def result(self, handle: Future[Any]) -> Any:
        """Give a task's result, or raise what it raised."""
        return handle.result()

    def error(self, handle: Future[Any]) -> BaseException | None:
        """Give what a finished task raised."""
        return handle.exception()

    def close(self, *, at_once: bool = False) -> None:
        """Let running tasks end, unless at once, and start no more."""
        self._executor.shutdown(wait=not at_once, cancel_futures=True)


def _resolve(argument: Any) -> Any:
    if isinstance(argument, Future):
        return argument.result()
    if isinstance(argument, list):
        return [_resolve(item) for item in argument]
    return argument
