"""Where the work runs: one interface, one module for each kind of cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from couloir.compute.pool import Pool
from couloir.config import ComputeConfig


@contextmanager
def open_pool(config: ComputeConfig) -> Iterator[Pool]:
    """Open the pool that the run file asks for, and close it afterwards."""
    pool: Pool
    if config.kind == "local":
        from couloir.compute.local import LocalPool

        pool = LocalPool(config)
    else:
        from couloir.compute.threads import ThreadPool

        pool = ThreadPool(config.workers if config.kind == "threads" else 1)
    try:
        yield pool
    except BaseException:
        pool.close(at_once=True)
        raise
    pool.close()
