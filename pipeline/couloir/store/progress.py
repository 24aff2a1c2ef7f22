"""Tell how a stage gets on: one small object a stage, written now and then, for whoever looks at the output.

It says nothing of what is complete, which the marks do, and it is outside of everything that is hashed. A thread
of its own writes it with little patience: a bucket that is slow or away holds up no work.
"""

import datetime as dt
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from couloir.errors import CouloirError, HeldError, LostClusterError, Terminated
from couloir.storage import Patience
from couloir.store.cluster_job import cluster_job
from couloir.store.hold import read_holder
from couloir.store.holder import Holder
from couloir.store.location import Location

FOLDER = "progress"
EVERY_S = 10.0
"""Time between two writings, s."""
STRETCH_S = 600.0
"""The rate is that of so long, s: what workers are added or lost shows soon."""
_HASTE = Patience(total_s=5.0, attempt_s=5.0)
_LONGEST = 1_000
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
        Units a second, of this start alone, over the last `STRETCH_S`.
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


class Recorder:
    """Write a stage's progress while it works; made by `recording`.

    Parameters
    ----------
    output : Location
    progress : Progress
        How it begins.
    every_s : float
        Time between two writings, s.
    clock : callable
        Gives seconds that only grow, by which the rate is measured.
    """

    def __init__(
        self,
        output: Location,
        progress: Progress,
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = replace(_place(output, progress.stage), patience=_HASTE)
        self._progress = progress
        self._every_s = every_s
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque()
        self._before = 0
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._writer = threading.Thread(target=self._keep_writing, name="couloir-progress", daemon=True)
        self._writer.start()

    def tell(
        self,
        done: int,
        total: int,
        *,
        phase: str = "",
        unit: str = "",
        before: int = 0,
        remark: str = "",
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Say how far it is; cheap, and written when it is time.

        Parameters
        ----------
        done, total : int
            In units of the phase.
        phase : str, optional
            With another phase the rate is measured anew.
        unit : str, optional
        before : int, optional
            How many of those done were complete before this start, and so are no part of the rate. In a phase that
            goes on from somewhere the first call's number does the same.
        remark : str, optional
        counts : mapping of str to int, optional
        """
        with self._lock:
            if phase != self._progress.phase or not self._marks:
                self._marks = deque([(self._clock(), done - before)])
            self._before = before
            self._progress = replace(
                self._progress,
                done=done,
                total=total,
                phase=phase,
                unit=unit,
                remark=remark,
                counts=dict(counts or {}),
            )

    def end(self, state: State, reason: str = "") -> None:
        """Write how it ended."""
        self.drop()
        with self._lock:
            self._progress = replace(self._progress, state=state, reason=reason[:_LONGEST], until=_now())
        self._write()

    def drop(self) -> None:
        """Write no more."""
        self._end.set()
        self._writer.join(_HASTE.total_s)

    def now(self) -> Progress:
        """Give the progress of this moment, with its rate."""
        with self._lock:
            moment, work = self._clock(), self._progress.done - self._before
            while len(self._marks) > 1 and moment - self._marks[0][0] > STRETCH_S:
                self._marks.popleft()
            rate = None
            if self._marks:
                began, first = self._marks[0]
                rate = (work - first) / (moment - began) if moment > began and work > first else None
                self._marks.append((moment, work))
            return replace(self._progress, updated=time.time(), rate=rate)

    def _keep_writing(self) -> None:
        self._write()
        while not self._end.wait(self._every_s):
            self._write()

    def _write(self) -> None:
        with suppress(Exception):  # it is told again soon, and nothing depends on it
            _write(self._place, self.now())


@contextmanager
def recording(output: Location, stage: str, *, holder: Holder, every_s: float = EVERY_S) -> Iterator[Recorder]:
    """Tell in the output how a stage gets on while the block runs, and how it ended.

    Parameters
    ----------
    output : Location
    stage : str
    holder : Holder
        Who holds the output for it.
    every_s : float, optional
        Time between two writings, s.
    """
    recorder = Recorder(output, replace(_begun(stage, holder), token=holder.token), every_s=every_s)
    try:
        yield recorder
    except HeldError:  # another run holds the output: it tells now
        recorder.drop()
        raise
    except KeyboardInterrupt as stop:
        recorder.end("stopped", "SIGTERM" if isinstance(stop, Terminated) else "interrupted")
        raise
    except LostClusterError as error:
        recorder.end("stopped", str(error))
        raise
    except BaseException as error:
        recorder.end("failed", _sentence(error))
        raise
    recorder.end("done")


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
    told, mine = read_progress(output, stage), _begun(stage, Holder.here())
    if told is not None and told.state == "running" and told.job != mine.job and _is_worked_on(output, told):
        return False
    if told is None or told.job != mine.job:
        told = mine
    elif unbegun or told.state in ("done", "failed"):
        return True
    ended = replace(told, state="failed", reason=reason[:_LONGEST], until=_now(), updated=time.time())
    _write(_place(output, stage), ended)
    return True


def read_progress(output: Location, stage: str) -> Progress | None:
    """Read how a stage gets on, or how it ended; None where nothing readable says so."""
    data = _place(output, stage).read_bytes()
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


def _begun(stage: str, holder: Holder) -> Progress:
    """Say that a stage is worked on from now on, and by whom."""
    job, restarts = cluster_job(os.environ)
    who = Progress(stage, "running", since=_now(), updated=time.time(), job=job, restarts=restarts)
    return replace(who, user=holder.user, host=holder.host, pid=holder.pid)


def _place(output: Location, stage: str) -> Location:
    return output / FOLDER / f"{stage}.json"


def _write(place: Location, progress: Progress) -> None:
    place.write_bytes((json.dumps(asdict(progress), indent=1) + "\n").encode())


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, CouloirError) else f"{type(error).__name__}: {error}"
