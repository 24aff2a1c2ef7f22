"""Run tasks on a Dask cluster of processes on this machine."""

import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, as_completed

from couloir.compute.turns import Ahead, TakeTurns, alone, at_work, fetch_then_in_turn
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
    "MALLOC_ARENA_MAX": "1",  # each task may run in another thread: what one freed is for the next
    "DASK_LOGGING__DISTRIBUTED": "critical",  # outcomes tell what went wrong
}
_SETTINGS: dict[str, Any] = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.daemon": False,
    "distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT,
    "distributed.scheduler.allowed-failures": 9,  # a worker that dies takes tasks with it that did nothing wrong
}
_AHEAD = 3
"""Tasks that fetch beside the one at work."""
_AMONG_FIRST = 10
"""Priority of a task that ends what others began."""
_LOOK_S = 3.0
"""How often it is looked whether all workers are there, s."""
_ANSWER_S = 10.0
"""How long a worker may take to say what it does, s."""


class LocalPool:
    """Run tasks on a `distributed.LocalCluster`: one process a worker, one task of it at work.

    Parameters
    ----------
    config : ComputeConfig
    """

    def __init__(self, config: ComputeConfig) -> None:
        self.workers = config.workers or os.cpu_count() or 1
        self._stall_s = config.stall_s
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        logging.getLogger("distributed.nanny.memory").setLevel(logging.WARNING)
        self._settings = dask.config.set(_SETTINGS)  # until the end: workers that died are started again by them
        self._cluster = LocalCluster(
            n_workers=0,  # they are started below: one that dies while it starts is not the end of the run
            threads_per_worker=1 + _AHEAD,
            processes=True,
            memory_limit=f"{config.memory_gb}GB",
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
            plugins=(TakeTurns(round(config.read_ahead_mb * 1e6)),),
        )
        self._cluster.scale(self.workers)
        self._client = Client(self._cluster, set_as_default=False)
        with self._client.as_current():
            self._completed = as_completed()
        self._ready: set[Future] = set()
        self._dead: set[Any] = set()
        self._looked = time.monotonic()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Start a task before those that wait."""
        future = self._client.submit(alone, function, *arguments, pure=False, priority=_AMONG_FIRST)
        self._completed.add(future)
        return future

    def submit_each(self, function: Callable[[Any, Any], Any], arguments: Sequence[Ahead]) -> list[Future]:
        """Start a task for each argument, in one message to the scheduler."""
        task = partial(fetch_then_in_turn, function)
        futures: list[Future] = self._client.map(task, arguments, pure=False)
        self._completed.update(futures)
        return futures

    def wait(self, handles: Collection[Future], *, timeout_s: float) -> set[Future]:
        """Wait until at least one task is done; each is told once."""
        end = time.monotonic() + timeout_s
        done = self._ready & set(handles)
        while not done and (left := end - time.monotonic()) > 0:
            self._replace_the_dead()
            with self._completed.thread_condition:
                if not self._completed.has_ready():
                    self._completed.thread_condition.wait(min(left, 0.1))
            self._ready |= set(self._completed.next_batch(block=False))
            done = self._ready & set(handles)
        self._ready -= done
        return done

    def give_up(self, handles: Collection[Future]) -> set[Future]:
        """Kill the workers whose task does not end, and drop those tasks; the others begin anew elsewhere."""
        told = self._ask_workers()
        given = self._client.processing()
        doing = {address: told.get(address, set(given.get(address, ()))) for address in self._nannies()}
        keys = set().union(*doing.values())
        stuck = {handle for handle in handles if handle.key in keys} or set(handles)
        self._client.cancel(list(stuck), force=True)
        for address, nanny in self._nannies().items():
            if not keys or doing[address]:
                _kill(nanny)
        return stuck

    def result(self, handle: Future) -> Any:
        """Give a task's result, or raise what it raised."""
        return handle.result(timeout=self._stall_s)

    def error(self, handle: Future) -> BaseException | None:
        """Give what a finished task raised; a worker that died of it, too."""
        if handle.status == "finished":  # known here; to ask for the exception is a journey to the scheduler
            return None
        error: BaseException | None = handle.exception(timeout=self._stall_s)
        return error

    def close(self, *, at_once: bool = False) -> None:
        """Stop the workers; what one was writing when it is killed has no mark, and is made again."""
        if at_once:
            self._kill_all()
        try:
            self._client.close(timeout=_ANSWER_S)
            self._cluster.close(timeout=_ANSWER_S)
        except TimeoutError:  # a busy machine: all is done, and nothing is lost by not being polite
            self._kill_all()
        self._settings.__exit__(None, None, None)

    def _kill_all(self) -> None:
        for nanny in self._nannies().values():
            nanny.auto_restart = False
            _kill(nanny)

    def _replace_the_dead(self) -> None:
        """Start workers in place of those that died while they were starting: Dask does not try that twice."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        dead = {name for name, nanny in self._cluster.workers.items() if nanny.pid is None}
        for name in dead & self._dead:
            self._cluster.worker_spec.pop(name, None)
        self._dead = dead
        if len(self._cluster.worker_spec) < self.workers:
            self._cluster.scale(self.workers)

    def _nannies(self) -> dict[str, Any]:
        return {nanny.worker_address: nanny for nanny in self._cluster.workers.values()}

    def _ask_workers(self) -> dict[str, Any]:
        """Ask each worker what it works on; one that does not answer is not among the answers."""
        told: dict[str, Any] = {}
        for address in self._nannies():
            with suppress(TimeoutError, OSError):
                told |= self._client.sync(
                    self._client._run, at_work, workers=[address], on_error="ignore", callback_timeout=_ANSWER_S
                )
        return told


def _kill(nanny: Any) -> None:
    with suppress(ProcessLookupError):
        if nanny.pid:
            os.kill(nanny.pid, signal.SIGKILL)
