"""Make a Dask cluster of the tasks of one SLURM allocation: a scheduler, the run itself, and workers."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Security
from distributed.core import rpc

from couloir.compute.dask_pool import AHEAD, settings
from couloir.compute.node import check_interface, scratch_folder
from couloir.compute.tls import security_of
from couloir.config import ComputeConfig
from couloir.errors import ClusterError, ConfigError, exit_code_of

_RUN = 1
"""The task that runs the run, after the scheduler's."""
_FEWEST = 3
_LOOK_S = 2.0
"""How often a task looks whether the run has ended, s."""
_GRACE_S = 10.0
"""How long it may take to end by itself then, s."""


@contextmanager
def joined_tasks(config: ComputeConfig) -> Iterator[ComputeConfig]:
    """Run the block in the second task of an allocation; the first is its scheduler, the others its workers.

    Parameters
    ----------
    config : ComputeConfig

    Yields
    ------
    ComputeConfig
        With the scheduler's address.

    Raises
    ------
    ConfigError
        Outside of an allocation, or in one of too few tasks; when the node is not as the run file says.
    """
    rank, tasks = _place_in_allocation()
    if config.tls is None:
        raise ConfigError("compute.kind slurm needs compute.tls, a certificate: `couloir submit slurm` makes one")
    job, start = os.environ.get("SLURM_JOB_ID", "0"), os.environ.get("SLURM_RESTART_COUNT", "0")
    place = Path(config.slurm.folder) / meeting_place(job, start)
    begun, end = Path(f"{place}.began"), Path(f"{place}.ended")
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    runner_class = _runner_class()  # its module takes SIGINT for itself
    if rank == _RUN:
        for number, handler in ours.items():
            signal.signal(number, handler)
    else:  # what is told to all tasks is the run's to answer
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning")  # of semaphores of ended ones
    threading.Thread(target=_end_with_the_run, args=(end,), daemon=True).start()
    security, options = _checked_here(config, config.tls, end)
    try:
        with settings(), _told_where():
            runner = runner_class(
                security,
                scheduler_file=str(place),
                scheduler_options=_scheduler_options(config, security),
                worker_class="distributed.Nanny",
                worker_options=options,
            )
        with runner:
            begun.touch()
            found = {"kind": "dask", "scheduler": runner.scheduler_address, "workers": tasks - 2}
            try:
                yield config.model_copy(update=found)
            except BaseException as error:
                _say_end(end, exit_code_of(error))  # before the others see the scheduler go
                raise
            _say_end(end, 0)
    except BaseException as error:
        if rank != _RUN and end.exists():
            sys.exit(0)  # what a task loses with the run that has ended is no news
        if rank == _RUN or (isinstance(error, Exception) and not begun.exists()):
            _say_end(end, exit_code_of(error))
        raise


@contextmanager
def _told_where() -> Iterator[None]:
    """Tell of the node, and of the settings, where a task of the allocation cannot begin."""
    try:
        yield
    except OSError as error:
        raise ClusterError(
            f"a task of the allocation cannot begin on {socket.gethostname()}: {error}. Where it listens is said "
            "by compute.slurm.interface and compute.dashboard"
        ) from error


def _checked_here(config: ComputeConfig, tls: str, end: Path) -> tuple[Security, dict[str, Any]]:
    """Give certificate and worker's options, held against this node; the first task alone tells what is wrong."""
    try:
        security = security_of(tls)
        check_interface(config.slurm.interface)
        return security, _worker_options(config, security)
    except ConfigError as error:
        code = exit_code_of(error)
        if not _say_end(end, code):
            sys.exit(code)
        raise


def _say_end(end: Path, code: int) -> bool:
    """Say how the run has ended, and give whether nobody has said so before.

    What srun tells is made up of how all tasks did, those that it killed among them.
    """
    try:
        with end.open("x") as file:
            file.write(f"{code}\n")
    except FileExistsError:
        return False
    return True


def _place_in_allocation() -> tuple[int, int]:
    """Give this task's number, and how many there are."""
    try:
        rank, tasks = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    except (KeyError, ValueError) as error:
        raise ConfigError(
            "compute.kind slurm runs within an allocation, started by srun: `couloir submit slurm` does that"
        ) from error
    if tasks < _FEWEST:
        raise ConfigError(
            f"an allocation of {tasks} tasks is too small: it takes a scheduler, the run and a worker, {_FEWEST}"
        )
    return rank, tasks


def meeting_place(job: str, start: str) -> str:
    """Name the file, in the job's folder, that tells the scheduler's address; each start of a job has its own.

    Beside it lies one that ends in ``.began`` once the run has reached the scheduler, and one in ``.ended`` with
    the exit code of the run, or before that of any task that could not begin.
    """
    return f"scheduler-{job}-{start}.json"


def _end_with_the_run(end: Path) -> None:
    """End a task that does not by itself: one whose scheduler has gone before it came waits for ever.

    The run itself has written all by then, and may hang in what Dask still closes.
    """
    while not end.exists():
        time.sleep(_LOOK_S)
    time.sleep(_GRACE_S)
    os._exit(0)


def _runner_class() -> Any:
    from dask_jobqueue.slurm import SLURMRunner

    class _Runner(SLURMRunner):  # type: ignore[misc]
        """Know certificates, which the library's own runner does not use to end the scheduler."""

        def __init__(self, security: Security, **options: Any) -> None:
            self._security = security
            super().__init__(**options)

        async def get_scheduler_address(self) -> str:
            while True:
                with suppress(ValueError, KeyError):  # it is being written
                    return str(await super().get_scheduler_address())
                await asyncio.sleep(_LOOK_S / 10)

        async def before_client_start(self) -> None:
            arguments = self._security.get_connection_args("client")
            self.scheduler_comm = rpc(self.scheduler_address, connection_args=arguments)

    return _Runner


def _scheduler_options(config: ComputeConfig, security: Security) -> dict[str, Any]:
    return {
        "security": security,
        "protocol": "tls://",
        "interface": config.slurm.interface,
        "port": 0,
        "dashboard_address": config.dashboard,
    }


def _worker_options(config: ComputeConfig, security: Security) -> dict[str, Any]:
    return {
        "security": security,
        "protocol": "tls://",
        "interface": config.slurm.interface,
        "nthreads": 1 + AHEAD,
        "memory_limit": f"{config.memory_gb}GB",
        "local_directory": scratch_folder(config.slurm.scratch),
        "dashboard_address": "127.0.0.1:0",
    }
