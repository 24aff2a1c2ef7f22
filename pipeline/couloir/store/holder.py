"""Say which process holds an output, and whether it lives, as far as others can know."""

import datetime as dt
import getpass
import os
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from couloir.store.cluster_job import slurm_job

STALE_S = 120.0
"""Without a sign for this long a hold may be stale, s: other machines' clocks are trusted no closer."""


@dataclass(frozen=True)
class Holder:
    """Say who holds an output.

    Attributes
    ----------
    token : str
        Differs for every run.
    machine : str
        Changes when the machine starts anew; processes of one are seen by their numbers.
    born : float
        When the process began, s since the epoch.
    since : str
        ISO 8601, UTC.
    sign : float
        Time of the latest sign of life, s since the epoch, by the holder's own clock.
    released : bool
        Whether it has let go.
    job : str
        The cluster's job that the process belongs to; a job that starts anew keeps its name.
    restart : int
        How often the job had started anew.
    """

    token: str
    user: str
    host: str
    machine: str
    pid: int
    born: float
    since: str
    sign: float
    released: bool = False
    job: str = ""
    restart: int = 0

    @classmethod
    def here(cls) -> Self:
        """Describe this process."""
        job, restart = _job()
        return cls(
            token=uuid.uuid4().hex,
            user=_user(),
            host=socket.gethostname(),
            machine=_machine(),
            pid=os.getpid(),
            born=psutil.Process().create_time(),
            since=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            sign=time.time(),
            job=job,
            restart=restart,
        )

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.pid}) since {self.since}"

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have died: a process of this machine that is no more, or of this job's past."""
        job, restart = _job()
        if self.job and self.job == job and self.restart < restart:
            return True
        if self.machine != _machine():
            return False
        try:
            process = psutil.Process(self.pid)
            born = float(process.create_time())
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        return abs(born - self.born) > 1

    def lives(self, silent_s: float) -> bool:
        """Say whether it goes on holding, as far as is known.

        Parameters
        ----------
        silent_s : float
            Time since its last sign of life, s.
        """
        return not (self.released or self.is_gone) and silent_s <= STALE_S


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"


def _machine() -> str:
    """Name what gives processes their numbers: this start of this machine, or of a container on it."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # elsewhere than on Linux the host's name must do
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _job() -> tuple[str, int]:
    """Name the SLURM job that this process belongs to, if any, and say how often it was begun again."""
    number, again = slurm_job(os.environ) or ("", 0)
    return (f"{os.environ.get('SLURM_CLUSTER_NAME', 'slurm')} {number}" if number else "", again)
