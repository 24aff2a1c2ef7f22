"""Run tasks on a Dask cluster whose workers are jobs of SLURM, each its own."""

import asyncio
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client

from couloir.compute.dask_pool import AHEAD, ANSWER_S, WORKER_ENVIRONMENT, DaskPool, settings
from couloir.compute.slurm import queued_jobs
from couloir.compute.tls import make_certificate, security_of
from couloir.compute.turns import TakeTurns
from couloir.config import ComputeConfig
from couloir.errors import ClusterError, ConfigError
from couloir.sites import SlurmConfig, seconds_of

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
    slurm = config.slurm
    environment = [f"export {name}={value}" for name, value in WORKER_ENVIRONMENT.items()]
    return {
        "queue": slurm.partition,
        "account": slurm.account,
        "walltime": slurm.walltime,
        "job_extra_directives": [*([f"--qos={slurm.qos}"] if slurm.qos else []), *slurm.directives],
        "job_script_prologue": [*environment, *slurm.prologue],
        "cores": 1 + AHEAD,  # threads, most of which wait for bytes
        "processes": 1,
        "job_cpu": slurm.cores,
        "memory": f"{config.memory_gb}GB",
        "job_mem": f"{megabytes(config)}M",
        "job_name": "couloir-worker",
        "log_directory": str(log_folder),
        "local_directory": slurm.scratch or tempfile.gettempdir(),
        "interface": slurm.interface,
        "death_timeout": _ALONE_S,
        "worker_extra_args": [*_lifetime(slurm), "--no-dashboard", "--dashboard-address", "127.0.0.1:0"],
    }


def megabytes(config: ComputeConfig) -> int:
    """Give the memory that is asked for each worker, MiB: Dask restarts a worker before SLURM kills it."""
    return round((config.slurm.job_memory_gb or 1.25 * config.memory_gb) * 1e9 / 2**20)


def _lifetime(slurm: SlurmConfig) -> list[str]:
    """Let workers end between three and one `warn_s` before their walltime, not all at once."""
    lifetime = seconds_of(slurm.walltime) - 2 * slurm.warn_s
    if lifetime <= slurm.warn_s:
        raise ConfigError(
            f"compute.slurm.walltime ({slurm.walltime}) is too short for workers that hand over their work "
            f"between {3 * slurm.warn_s} and {slurm.warn_s} s before it ends: a longer one, or a smaller warn_s"
        )
    return ["--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{slurm.warn_s}s"]


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
    """

    def __init__(self, config: ComputeConfig) -> None:
        from dask_jobqueue import SLURMCluster

        self._config = config
        self._folder = Path(config.slurm.folder).absolute()
        tls = Path(config.tls) if config.tls else self._folder / "tls"
        if not config.tls:
            make_certificate(tls)
        security = security_of(tls)
        workers = config.workers or 1
        self._settings = settings()
        self._cluster = SLURMCluster(
            security=security,
            scheduler_options={"dashboard_address": config.dashboard, "interface": config.slurm.interface},
            **job_options(config, self._folder / "workers"),
        )
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
        with suppress(TimeoutError, OSError):
            self._client.close(timeout=ANSWER_S)
        with suppress(TimeoutError, asyncio.TimeoutError, OSError):
            self._cluster.close(timeout=ANSWER_S)
        self._settings.__exit__(None, None, None)

    def _look_after_workers(self) -> None:
        """Replace workers whose jobs are no more: Dask knows of those that came and went, SLURM of the others."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        jobs = {name: str(job.job_id) for name, job in self._cluster.workers.items() if job.job_id}
        here = {info["name"] for info in self._client.scheduler_info(n_workers=-1)["workers"].values()}
        self._seen |= here
        queued = queued_jobs(jobs.values())
        missing = {name for name, number in jobs.items() if number not in queued and name not in here}
        for name in missing & self._missed:  # twice, since a job is not in the queue the moment it is submitted
            self._deaths += name not in self._seen
            self._cluster.worker_spec.pop(name, None)
        self._missed = missing - self._missed
        if self._deaths > _DEATHS * self.workers:
            raise ClusterError(
                f"{self._deaths} jobs of workers ended before their worker came. What they printed is in "
                f"{self._folder / 'workers'}: often it is compute.slurm.prologue or interface that is wrong"
            )
        if not self._config.slurm.adaptive and len(self._cluster.worker_spec) < self.workers:
            self._cluster.scale(self.workers)
