"""Run tasks on a Dask cluster that is there already: of one allocation, of Kubernetes, or a site's own."""

from contextlib import suppress

from distributed import Client, Security

from couloir.compute.dask_pool import ANSWER_S, DaskPool, settings
from couloir.compute.tls import security_of
from couloir.compute.turns import TakeTurns
from couloir.config import ComputeConfig
from couloir.errors import LostClusterError

_CONNECT_S = 60.0
"""How long a scheduler may take to answer at first, s."""


class RemotePool(DaskPool):
    """Run tasks on the workers of a scheduler, as many as there are; none may be there yet.

    The cluster stays when the pool is closed.

    Parameters
    ----------
    config : ComputeConfig
        With a scheduler.

    Raises
    ------
    LostClusterError
        When the scheduler does not answer, or not to this certificate.
    """

    def __init__(self, config: ComputeConfig) -> None:
        self._settings = settings()
        super().__init__(connect(config), workers=config.workers or 1, stall_s=config.stall_s)
        self.workers = config.workers or max(1, len(self._addresses()))
        self._client.register_plugin(TakeTurns(round(config.read_ahead_mb * 1e6)))

    def close(self, *, at_once: bool = False) -> None:  # noqa: ARG002 - what runs there ends without its mark
        """Leave the cluster; tasks of this run that have not begun are dropped there."""
        with suppress(TimeoutError, OSError):
            self._client.close(timeout=ANSWER_S)
        self._settings.__exit__(None, None, None)


def connect(config: ComputeConfig, *, timeout_s: float = _CONNECT_S) -> Client:
    """Connect to the scheduler that a run file names.

    Raises
    ------
    LostClusterError
        When it does not answer, or not to this certificate.
    """
    security: Security | None = security_of(config.tls) if config.tls else None
    try:
        return Client(config.scheduler, security=security, timeout=timeout_s, set_as_default=False)
    except (OSError, TimeoutError) as error:
        remedy = "Is it running, and is compute.tls its own?" if config.tls else "Is it running?"
        raise LostClusterError(
            f"the Dask scheduler at {config.scheduler} does not answer: {_told(error)}. {remedy}"
        ) from error


def _told(error: BaseException) -> str:
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__
