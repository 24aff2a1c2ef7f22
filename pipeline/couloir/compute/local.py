"""Run tasks on a Dask cluster of processes on this machine."""

import os
import signal
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from distributed import Client, Future, LocalCluster

from couloir.compute.dask_pool import AHEAD, ANSWER_S, DaskPool, settings
from couloir.compute.turns import TakeTurns
from couloir.config import ComputeConfig

_LOOK_S = 3.0
"""How often it is looked whether all workers are there, s."""


class LocalPool(DaskPool):
    """Run tasks on a `distributed.LocalCluster`: one process a worker, one task of it at work.

    Parameters
    ----------
    config : ComputeConfig
    """

    def __init__(self, config: ComputeConfig) -> None:
        workers = config.workers or os.cpu_count() or 1
        self._settings = settings()  # until the end: workers that died are started again by them
        self._cluster = LocalCluster(
            n_workers=0,  # they are started below: one that dies while it starts is not the end of the run
            threads_per_worker=1 + AHEAD,
            processes=True,
            memory_limit=f"{config.memory_gb}GB",
            dashboard_address=config.dashboard,
            host="127.0.0.1",
            plugins=(TakeTurns(round(config.read_ahead_mb * 1e6)),),
        )
        self._cluster.scale(workers)
        super().__init__(Client(self._cluster, set_as_default=False), workers=workers, stall_s=config.stall_s)
        self._dead: set[Any] = set()
        self._looked = time.monotonic()

    def close(self, *, at_once: bool = False) -> None:
        """Stop the workers; what one was writing when it is killed has no mark, and is made again."""
        if at_once:
            self._kill_all()
        try:
            self._client.close(timeout=ANSWER_S)
            self._cluster.close(timeout=ANSWER_S)
        except TimeoutError:  # a busy machine: all is done, and nothing is lost by not being polite
            self._kill_all()
        self._settings.__exit__(None, None, None)

    def _kill_all(self) -> None:
        for nanny in self._nannies().values():
            nanny.auto_restart = False
            _kill(nanny)

    def _look_after_workers(self) -> None:
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

    def _addresses(self) -> list[str]:
        return list(self._nannies())

    def _end_workers(self, addresses: Sequence[str]) -> None:
        nannies = self._nannies()
        for address in addresses:
            if nanny := nannies.get(address):
                _kill(nanny)

    def _stuck_elsewhere(self, handles: Collection[Future]) -> set[Future]:
        return set(handles)

    def _nannies(self) -> dict[str, Any]:
        return {nanny.worker_address: nanny for nanny in self._cluster.workers.values()}


def _kill(nanny: Any) -> None:
    with suppress(ProcessLookupError):
        if nanny.pid:
            os.kill(nanny.pid, signal.SIGKILL)
