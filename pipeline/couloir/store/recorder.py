"""Tell how a stage gets on, now and then, while it works, and how it ended.

A thread of its own writes it with little patience: a bucket that is slow or away holds up no work.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from couloir.errors import CouloirError, HeldError, LostClusterError, Terminated
from couloir.storage import Patience
from couloir.store.holder import Holder
from couloir.store.location import Location
from couloir.store.progress import LONGEST, Progress, State, begin, now, place_of, write_progress

EVERY_S = 10.0
"""Time between two writings, s."""
STRETCH_S = 600.0
"""The rate is that of so long, s: what workers are added or lost shows soon."""
_HASTE = Patience(total_s=5.0, attempt_s=5.0)


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
        self._place = replace(place_of(output, progress.stage), patience=_HASTE)
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
            self._progress = replace(self._progress, state=state, reason=reason[:LONGEST], until=now())
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
            write_progress(self._place, self.now())


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
    recorder = Recorder(output, replace(begin(stage, holder), token=holder.token), every_s=every_s)
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


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, CouloirError) else f"{type(error).__name__}: {error}"
