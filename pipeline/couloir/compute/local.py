"""Run tasks on a Dask cluster of processes on this machine."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, as_completed

from couloir.config import ComputeConfig

_FROM_THE_HEAP = str(32 << 20)
"""Bytes up to which freed memory is kept for the next array: Dask's own 64 kB has each array's pages made anew."""
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "ZARR_THREADING__MAX_WORKERS",
    ),
    "1",
)
_WORKER_ENVIRONMENT = {
    **_ONE_THREAD,
    "MALLOC_MMAP_THRESHOLD_": _FROM_THE_HEAP,
    "MALLOC_TRIM_THRESHOLD_": _FROM_THE_HEAP,
    "DASK_LOGGING__DISTRIBUTED": "critical",  # outcomes tell what went wrong
}
_SETTINGS: dict[str, Any] = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.daemon": False,
    "distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT,
    "distributed.scheduler.allowed-failures": 2,
}


@contextmanager
def _interrupts_stay_here() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, as a terminal sends it to all: this one stops them in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class LocalPool:
    """Run tasks on a `distributed.LocalCluster`: one process a worker, one thread each.

    Parameters
    ----------
    config : ComputeConfig
    """

    def __init__(self, config: ComputeConfig) -> None:
        self.workers = config.workers or os.cpu_count() or 1
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        logging.getLogger("distributed.nanny.memory").setLevel(logging.WARNING)
        with dask.config.set(_SETTINGS), _interrupts_stay_here():
            self._cluster = LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=f"{config.memory_gb}GB",
                dashboard_address="127.0.0.1:0",
                host="127.0.0.1",
            )
        self._client = Client(self._cluster, set_as_default=False)
        with self._client.as_current():
            self._completed = as_completed()
        self._ready: set[Future] = set()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Start a task as soon as a worker is free."""
        future = self._client.submit(function, *arguments, pure=False)
        self._completed.add(future)
        return future

    def submit_each(self, function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Future]:
        """Start a task for each argument, in one message to the scheduler."""
        futures: list[Future] = self._client.map(function, arguments, pure=False)
        self._completed.update(futures)
        return futures

    def wait(self, handles: Collection[Future]) -> set[Future]:
        """Wait until at least one task is done; each is told once."""
        done: set[Future] = set()
        while not done:
            done = self._ready & set(handles)
            if not done:
                self._ready |= set(self._completed.next_batch())
        self._ready -= done
        return done

    def result(self, handle: Future) -> Any:
        """Give a task's result, or raise what it raised."""
        return handle.result()

    def error(self, handle: Future) -> BaseException | None:
        """Give what a finished task raised; a worker that died of it, too."""
        if handle.status == "finished":  # known here; to ask for the exception is a journey to the scheduler
            return None
        error: BaseException | None = handle.exception()
        return error

    def close(self) -> None:
        """Stop the workers."""
        self._client.close()
        self._cluster.close()
