"""Make a Dask cluster of the tasks of one SLURM allocation: a scheduler, the run itself, and workers."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from distributed import Security
from distributed.core import rpc

from couloir.compute.dask_pool import AHEAD, settings
from couloir.compute.node import check_interface, scratch_folder
from couloir.compute.tls import security_of
from couloir.config import ComputeConfig
from couloir.errors import EXIT_AGAIN, ClusterError, ConfigError, CouloirError, Terminated, exit_code_of

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
    begun, end = Path(f"{place}.began"), _End(Path(f"{place}.ended"))
    runner_class = _listening(rank)
    threading.Thread(target=_end_with_the_run, args=(end, rank), daemon=True).start()
    try:
        security = security_of(config.tls)
        check_interface(config.slurm.interface)
        options = _worker_options(config, security)
        with settings():
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
                lost = isinstance(error, Terminated) and not _listens(runner.scheduler_address)
                code = EXIT_AGAIN if lost else exit_code_of(error)
                end.say(code, error)  # before the others see the scheduler go
                raise
            end.say(0)
    except BaseException as error:
        early = isinstance(error, Exception) and not begun.exists()
        _tell_failure(error, end, of_the_run=rank == _RUN, early=early)
        raise


def _listening(rank: int) -> Any:
    """Give the class of the tasks, and each task the signals that it is to answer."""
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    runner_class = _runner_class()  # its module takes SIGINT for itself
    if rank == _RUN:
        for number, handler in ours.items():
            signal.signal(number, handler)
    else:  # what is told to all tasks is the run's to answer
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning")  # of semaphores of ended ones
    return runner_class


def _tell_failure(error: BaseException, end: "_End", *, of_the_run: bool, early: bool) -> None:
    """Say the end of the run, or of a task that could not begin (``early``); of several, the first alone tells.

    Raises
    ------
    ClusterError
        When a task could not begin, and this node is why.
    """
    first = (of_the_run or early) and end.say(exit_code_of(error), error)
    if (early or not of_the_run) and not first and end.path.exists():
        sys.exit(0)  # another has told what is wrong, or this one has lost the run that has ended
    if early and isinstance(error, OSError):
        raise ClusterError(
            f"a task of the allocation cannot begin on {socket.gethostname()}: {error}. Where it listens is said "
            "by compute.slurm.interface and compute.dashboard"
        ) from error


class _End:
    """Hold how the run has ended: in a file, since srun's own code is made up of how all tasks did.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._error: BaseException | None = None

    def say(self, code: int, error: BaseException | None = None) -> bool:
        """Say with which exit code, and after which error, and give whether nobody has said so before."""
        try:
            with self.path.open("x") as file:
                file.write(f"{code}\n")
        except FileExistsError:
            return False
        self._error = error
        return True

    def leave(self) -> NoReturn:
        """End this process with the code that was said, and print the error that nobody else will now."""
        if isinstance(self._error, CouloirError):
            print(f"couloir: {self._error}", file=sys.stderr, flush=True)
        elif isinstance(self._error, Exception):
            traceback.print_exception(self._error)
            sys.stderr.flush()
        os._exit(int(self.path.read_text()))


def _listens(address: str) -> bool:
    """Say whether a scheduler still lives: srun tells the run to stop where that task has died."""
    place = urlsplit(address)
    try:
        socket.create_connection((place.hostname or "", place.port or 0), timeout=_LOOK_S).close()
    except OSError:
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


def _end_with_the_run(end: _End, rank: int) -> None:
    """End a task that does not by itself: one whose scheduler has gone before it came waits for ever.

    The run itself has written all by then, and may hang in what Dask still closes; it ends with the code it said.
    """
    while not end.path.exists():
        time.sleep(_LOOK_S)
    time.sleep(_GRACE_S)
    if rank == _RUN:
        end.leave()
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
