"""Run tasks on a Dask cluster whose workers are jobs of SLURM, each its own."""

import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import dask
from distributed import Client

from couloir.compute.dask_pool import AHEAD, ANSWER_S, WORKER_ENVIRONMENT, DaskPool, settings
from couloir.compute.memory import mebibytes
from couloir.compute.node import check_interface, scratch_folder
from couloir.compute.paths import from_home
from couloir.compute.slurm import Script, check_script, queued_jobs
from couloir.compute.tls import make_certificate, security_of, security_to_be
from couloir.compute.turns import TakeTurns
from couloir.config import ComputeConfig
from couloir.errors import ClusterError

_LOOK_S = 15.0
"""How often SLURM is asked whether the workers' jobs are still there, s."""
_DEATHS = 5
"""Jobs for each worker that may end without their worker ever having come, before the run gives up."""
_ALONE_S = 60
"""How long a worker without a scheduler stays, s."""


def job_options(config: ComputeConfig, log_folder: Path) -> dict[str, Any]:
    """Give what dask-jobqueue makes a worker's job script from.

    Parameters
    ----------
    config : ComputeConfig
    log_folder : Path
        Where the jobs write what they print.
    """
    slurm, memory = config.slurm, asked_mebibytes(config)
    scratch = from_home(slurm.scratch) if slurm.scratch else "${TMPDIR:-/tmp}"
    return {
        "queue": slurm.partition,
        "account": slurm.account,
        "walltime": slurm.walltime,
        "job_extra_directives": [
            f"--output={log_folder}/worker-%j.log",  # Dask's own setting for it makes the folder at once
            *([f"--qos={slurm.qos}"] if slurm.qos else []),
            *slurm.directives,
        ],
        "job_script_prologue": [*exports(), *slurm.prologue],
        "cores": 1 + AHEAD,  # threads, most of which wait for bytes
        "processes": 1,
        "job_cpu": slurm.cores,
        "memory": f"{config.memory_gb}GB",
        "job_mem": f"{memory}M" if memory else None,
        "job_directives_skip": [] if memory else ["--mem="],
        "job_name": "couloir-worker",
        "local_directory": f'"{scratch}"',  # whose variables are those of the worker's node
        "interface": slurm.interface,
        "death_timeout": _ALONE_S,
        "worker_extra_args": [
            *("--lifetime", f"{slurm.lifetime_s}s", "--lifetime-stagger", f"{slurm.warn_s}s"),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
        ],
    }


def worker_script(config: ComputeConfig) -> Script:
    """Write the job of a worker, as the run submits it again and again, but for the scheduler's address."""
    job = _jobqueue().SLURMJob(
        "tls://SCHEDULER:PORT",
        name="WORKER",
        protocol="tls://",
        security=security_to_be(config.tls) if config.tls else None,
        **job_options(config, Path(config.slurm.folder) / "workers"),
    )
    return Script("worker", job.job_script())


def asked_mebibytes(config: ComputeConfig) -> int:
    """Give the memory asked for each worker, MiB; Dask restarts one before SLURM kills it. 0 asks for none."""
    asked = config.slurm.job_memory_gb
    return mebibytes(1.25 * config.memory_gb if asked is None else asked)


def exports() -> list[str]:
    """Write in shell what a worker's process must find in its environment."""
    return [f"export {name}={value}" for name, value in WORKER_ENVIRONMENT.items()]


def _jobqueue() -> ModuleType:
    """Import dask-jobqueue, which takes SIGINT for itself."""
    before = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import slurm

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, before)
    dask.config.set({"jobqueue.slurm.log-directory": None})  # a site's own would be made by a mere look
    return slurm  # type: ignore[no-any-return]


class SlurmJobsPool(DaskPool):
    """Run tasks on workers that are jobs, as many as `compute.workers`, or as there is work for.

    The scheduler runs in this process. A worker whose job was cancelled, failed or came to its end is replaced.

    Parameters
    ----------
    config : ComputeConfig

    Raises
    ------
    ClusterError
        When there is no SLURM here, or worker after worker dies before it has begun.
    ConfigError
        When this node is not as the run file says.
    """

    def __init__(self, config: ComputeConfig) -> None:
        self._config = config
        self._folder = Path(config.slurm.folder).absolute()
        tls = Path(config.tls) if config.tls else self._folder / "tls"
        if not config.tls:
            make_certificate(tls)
        security = security_of(tls)
        check_interface(config.slurm.interface)
        (self._folder / "workers").mkdir(parents=True, exist_ok=True)
        scratch_folder(config.slurm.scratch)  # of this node, which is likely to be as those of the workers
        workers = config.workers or 1
        self._settings = settings()
        self._cluster = _jobqueue().SLURMCluster(
            security=security,
            scheduler_options={"dashboard_address": config.dashboard, "interface": config.slurm.interface},
            **job_options(config, self._folder / "workers"),
        )
        check_script(Script("a worker", self._cluster.job_script()))
        client = Client(self._cluster, security=security, set_as_default=False)
        super().__init__(client, workers=workers, stall_s=config.stall_s)
        client.register_plugin(TakeTurns(round(config.read_ahead_mb * 1e6)))
        self._seen: set[str] = set()
        self._deaths = 0
        self._missed: set[Any] = set()
        self._looked = time.monotonic()
        if config.slurm.adaptive:
            self._cluster.adapt(minimum=1, maximum=workers, interval="5s", wait_count=6)
        else:
            self._cluster.scale(workers)

    def close(self, *, at_once: bool = False) -> None:  # noqa: ARG002 - cancelled jobs end at once
        """Cancel the workers' jobs."""
        try:
            with suppress(TimeoutError, OSError):
                self._client.close(timeout=ANSWER_S)
            with suppress(TimeoutError, OSError, AssertionError, RuntimeError):  # some may not have been submitted
                self._cluster.close(timeout=ANSWER_S)
        finally:
            self._settings.__exit__(None, None, None)

    def _look_after_workers(self) -> None:
        """Replace workers that are neither at work nor queued: Dask itself goes on counting them as wanted."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        jobs = {name: str(job.job_id) for name, job in self._cluster.workers.items()}
        here = {info["name"] for info in self._client.scheduler_info(n_workers=-1)["workers"].values()}
        self._seen |= here
        queued = queued_jobs(jobs.values())
        missing = {name for name in set(self._cluster.worker_spec) - here if jobs.get(name) not in queued}
        for name in missing & self._missed:  # twice, since a worker is not there the moment it is wanted
            self._deaths += name not in self._seen
            self._cluster.worker_spec.pop(name, None)
        self._missed = missing - self._missed
        if self._deaths > _DEATHS * self.workers:
            raise ClusterError(
                f"{self._deaths} jobs of workers were refused, or ended before their worker came. What they "
                f"printed is in {self._folder / 'workers'}: often compute.slurm.prologue or interface is wrong"
            )
        if not self._config.slurm.adaptive and len(self._cluster.worker_spec) < self.workers:
            self._cluster.scale(self.workers)
