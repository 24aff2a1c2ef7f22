"""Say how a stage gets on: one small object a stage in the output, for whoever looks at it.

It says nothing of what is complete, which the marks do, and it is outside of everything that is hashed.
"""

import datetime as dt
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from couloir.store.cluster_job import cluster_job
from couloir.store.hold import read_holder
from couloir.store.holder import Holder
from couloir.store.location import Location

FOLDER = "progress"
LONGEST = 1_000
"""Characters of a reason that are kept."""

State = Literal["running", "done", "failed", "stopped", "queued"]


@dataclass(frozen=True)
class Progress:
    """Say how a stage gets on, or how it ended.

    Attributes
    ----------
    stage : str
    state : str
        ``running``, also of a process that was killed since; ``done``, ``failed``, ``stopped``; ``queued``, again,
        as the script of a job says.
    since, until : str
        ISO 8601, UTC: when this start began, and when it ended.
    updated : float
        When this was written, s since the epoch, by the writer's own clock.
    token : str
        Of the hold under which it works.
    user, host, pid
        Who works, and where.
    job : str
        The cluster's name for it, if it is a cluster's.
    restarts : int
        How often the cluster has begun the job again.
    phase : str
        Where a stage has several.
    done, total : int
        In units of the phase; those that were complete before this start are among them.
    unit : str
    rate : float or None
        Units a second, of this start alone, over the last ten minutes.
    counts : mapping of str to int
        What else is counted: events, bytes.
    remark : str
        What the stage says of itself.
    reason : str
        Why it ended before its end.
    """

    stage: str
    state: State
    since: str
    updated: float
    token: str = ""
    user: str = ""
    host: str = ""
    pid: int = 0
    job: str = ""
    restarts: int = 0
    until: str = ""
    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""
    reason: str = ""

    @property
    def by(self) -> str:
        """Who works, and where; the cluster's job alone, where no process could say it."""
        if not self.pid:
            return self.job
        again = f" (restart {self.restarts})" if self.restarts else ""
        job = f", {self.job}{again}" if self.job else ""
        return f"{self.user} on {self.host} (process {self.pid}){job}"


def note_failure(output: Location, stage: str, reason: str, *, unbegun: bool = False) -> bool:
    """Tell that a stage's job has ended for good, where the stage could not say so itself.

    Nothing is told where another job's run works on the stage.

    Parameters
    ----------
    output : Location
    stage : str
    reason : str
        What the cluster's job knows of it.
    unbegun : bool, optional
        Whether to leave it at what the stage has told, if this job's has told anything.

    Returns
    -------
    bool
        Whether the output tells how this job's stage ended.
    """
    told, mine = read_progress(output, stage), begin(stage, Holder.here())
    if told is not None and told.state == "running" and told.job != mine.job and _is_worked_on(output, told):
        return False
    if told is None or told.job != mine.job:
        told = mine
    elif unbegun or told.state in ("done", "failed"):
        return True
    ended = replace(told, state="failed", reason=reason[:LONGEST], until=now(), updated=time.time())
    write_progress(place_of(output, stage), ended)
    return True


def read_progress(output: Location, stage: str) -> Progress | None:
    """Read how a stage gets on, or how it ended; None where nothing readable says so."""
    data = place_of(output, stage).read_bytes()
    known = {each.name for each in fields(Progress)}
    try:
        held: dict[str, Any] = json.loads(data or b"")
        return Progress(**{name: value for name, value in held.items() if name in known})
    except (ValueError, TypeError, AttributeError):
        return None


def _is_worked_on(output: Location, told: Progress) -> bool:
    """Say whether the run that tells this holds the output, and lives."""
    holder = read_holder(output)
    if holder is None or holder.token != told.token:
        return False
    return holder.lives(time.time() - max(holder.sign, told.updated))


def begin(stage: str, holder: Holder) -> Progress:
    """Say that a stage is worked on from now on, and by whom."""
    job, restarts = cluster_job(os.environ)
    who = Progress(stage, "running", since=now(), updated=time.time(), job=job, restarts=restarts)
    return replace(who, user=holder.user, host=holder.host, pid=holder.pid)


def place_of(output: Location, stage: str) -> Location:
    """Say where a stage's progress is told."""
    return output / FOLDER / f"{stage}.json"


def write_progress(place: Location, progress: Progress) -> None:
    """Write how a stage gets on, in the place of what was told before.

    Raises
    ------
    StoreError
        When it cannot be written.
    """
    place.write_bytes((json.dumps(asdict(progress), indent=1) + "\n").encode())


def now() -> str:
    """Give the time as progress tells it: ISO 8601, UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
