"""Where the work runs: one interface, one module for each kind of cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from couloir.compute.pool import Pool
from couloir.config import ComputeConfig


@contextmanager
def open_pool(config: ComputeConfig) -> Iterator[Pool]:
    """Open the pool that the run file asks for, and close it afterwards."""
    pool = _pool_of(config)
    try:
        yield pool
    except BaseException:
        pool.close(at_once=True)
        raise
    pool.close()


def _pool_of(config: ComputeConfig) -> Pool:
    if config.kind == "local":
        from couloir.compute.local import LocalPool

        return LocalPool(config)
    if config.kind == "dask":
        from couloir.compute.remote import RemotePool

        return RemotePool(config)
    if config.kind == "slurm":
        from couloir.compute.slurm_jobs import SlurmJobsPool

        return SlurmJobsPool(config)
    from couloir.compute.threads import ThreadPool

    return ThreadPool(config.workers if config.kind == "threads" else 1)


@contextmanager
def joined(config: ComputeConfig) -> Iterator[ComputeConfig]:
    """Run the block in one task of a SLURM allocation, all of which begin it; the others serve it, and end here.

    Gives the settings by which the block's `open_pool` finds the others; elsewhere those it was given.
    """
    if config.kind != "slurm" or config.slurm.workers_as != "tasks":
        yield config
        return
    from couloir.compute.slurm_tasks import joined_tasks

    with joined_tasks(config) as found:
        yield found
