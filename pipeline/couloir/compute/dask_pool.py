"""Run tasks on a Dask cluster, wherever its workers are."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import dask
from distributed import Client, Future, as_completed

from couloir.compute.turns import Ahead, alone, at_work, fetch_then_in_turn
from couloir.errors import LostClusterError

AHEAD = 3
"""Tasks of a worker that fetch beside the one at work."""
ANSWER_S = 10.0
"""How long a worker may take to say what it does, s."""
SETTINGS: dict[str, Any] = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.daemon": False,
    "distributed.scheduler.allowed-failures": 9,  # a worker that dies takes tasks with it that did nothing wrong
}
"""Dask's settings for schedulers and workers."""

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
WORKER_ENVIRONMENT = {
    **_ONE_THREAD,
    "MALLOC_MMAP_THRESHOLD_": _FROM_THE_HEAP,
    "MALLOC_TRIM_THRESHOLD_": _FROM_THE_HEAP,
    "MALLOC_ARENA_MAX": "1",  # each task may run in another thread: what one freed is for the next
    "DASK_LOGGING__DISTRIBUTED": "critical",  # outcomes tell what went wrong
}
"""What a worker's process must find in its environment when it starts."""

_AMONG_FIRST = 10
"""Priority of a task that ends what others began."""


def settings() -> Any:
    """Set Dask up until the returned context is left, and silence what outcomes tell better."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("distributed.nanny.memory").setLevel(logging.WARNING)
    return dask.config.set(SETTINGS | {"distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT})


class DaskPool:
    """Run tasks through a Dask client; what starts and ends workers is its subclasses' own.

    Parameters
    ----------
    client : distributed.Client
    workers : int
        How many tasks run at once when all workers are there.
    stall_s : float
        How long a result may take to come, s.
    """

    def __init__(self, client: Client, *, workers: int, stall_s: float) -> None:
        self.workers = workers
        self._client = client
        self._stall_s = stall_s
        with client.as_current():
            self._completed = as_completed()
        self._ready: set[Future] = set()

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
            self._look_after_workers()
            with self._completed.thread_condition:
                if not self._completed.has_ready():
                    self._completed.thread_condition.wait(min(left, 0.1))
            self._ready |= set(self._completed.next_batch(block=False))
            done = self._ready & set(handles)
        self._ready -= done
        return done

    def give_up(self, handles: Collection[Future]) -> set[Future]:
        """End the workers whose task does not end, and drop those tasks; the others begin anew elsewhere."""
        told = self._ask_workers()
        given = self._client.processing()
        doing = {address: told.get(address, set(given.get(address, ()))) for address in self._addresses()}
        keys: set[Any] = set().union(*doing.values())
        stuck = {handle for handle in handles if handle.key in keys} or self._stuck_elsewhere(handles)
        if stuck:
            self._client.cancel(list(stuck), force=True)
            self._end_workers([address for address in doing if not keys or doing[address]])
        return stuck

    def result(self, handle: Future) -> Any:
        """Give a task's result, or raise what it raised."""
        return handle.result(timeout=self._stall_s)

    def error(self, handle: Future) -> BaseException | None:
        """Give what a finished task raised; a worker that died of it, too."""
        if handle.status == "finished":  # known here; to ask for the exception is a journey to the scheduler
            return None
        if handle.status in ("cancelled", "lost"):
            raise LostClusterError("lost the Dask cluster: its scheduler has ended, or cannot be reached any more")
        error: BaseException | None = handle.exception(timeout=self._stall_s)
        return error

    def close(self, *, at_once: bool = False) -> None:
        """Stop the workers."""
        raise NotImplementedError

    def _look_after_workers(self) -> None:
        """See that there are workers, while tasks are waited for."""

    def _addresses(self) -> list[str]:
        """Give the addresses of the workers."""
        return list(self._client.scheduler_info(n_workers=-1)["workers"])

    def _end_workers(self, addresses: Sequence[str]) -> None:
        """Kill workers; their nannies start others in their place."""
        with suppress(TimeoutError, OSError, ValueError):  # one without a nanny cannot be started again
            self._client.restart_workers(list(addresses), timeout=ANSWER_S, raise_for_error=False)

    def _stuck_elsewhere(self, handles: Collection[Future]) -> set[Future]:
        """Say what is stuck when no worker works on it: nothing, where none is there, which may take days."""
        return set(handles) if self._addresses() else set()

    def _ask_workers(self) -> dict[str, Any]:
        """Ask each worker what it works on; one that does not answer is not among the answers."""
        told: dict[str, Any] = {}
        for address in self._addresses():
            with suppress(TimeoutError, OSError):
                told |= self._client.sync(
                    self._client._run, at_work, workers=[address], on_error="ignore", callback_timeout=ANSWER_S
                )
        return told
