"""Status: say of a run how far each stage is, from its output alone.

What is complete is asked of the marks (`couloir.stages.standing`). What goes on is asked of what each stage tells
of itself (`couloir.store.progress`), which is believed while the hold on the output gives signs of life, and of
what was submitted to a cluster (`couloir.store.submission`).
"""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from couloir.config import RunConfig
from couloir.errors import MissingStageError
from couloir.stages.judging import BAD, BESIDE, Look, StageStatus
from couloir.stages.seeds import with_held_seeds
from couloir.stages.settings import output_of
from couloir.stages.standing import STAGES, read_standings
from couloir.store.hold import read_holder
from couloir.store.holder import Holder
from couloir.store.location import Location
from couloir.store.manifest import read_index
from couloir.store.outcomes import Outcome, read_outcomes
from couloir.store.progress import Progress, State, read_progress
from couloir.store.submission import Submission, read_submission

_IN_WORDS = {"failed": "failed", "silent": "is silent"}


@dataclass(frozen=True)
class RunStatus:
    """Say how far a run is.

    Attributes
    ----------
    output : str
    at : str
        When this was found, ISO 8601, UTC.
    stages : tuple of StageStatus
    too_many : str
        Says that more station-days failed than allowed; empty where they did not.
    holder : Holder or None
        Who holds the output, or held it last.
    alive : bool
        Whether the holder gives signs of life.
    silent_s : float
        Time since the last of them, s.
    station_days : int
        Those that have an outcome.
    failures : tuple of Outcome
        Those that failed.
    submission : Submission or None
    """

    output: str
    at: str
    stages: tuple[StageStatus, ...]
    too_many: str
    holder: Holder | None
    alive: bool
    silent_s: float
    station_days: int
    failures: tuple[Outcome, ...]
    submission: Submission | None

    @property
    def in_order(self) -> bool:
        """Whether nothing has failed, fallen silent or been cancelled."""
        return not self.too_many and not any(stage.state in BAD for stage in self.stages)

    @property
    def trouble(self) -> str:
        """What is not in order, in a sentence."""
        told = [
            f"{stage.stage} {_IN_WORDS[stage.state]}: {stage.reason}"
            for stage in self.stages
            if stage.state in _IN_WORDS
        ]
        if self.too_many and not any(self.too_many in text for text in told):
            told.insert(0, self.too_many)
        return "; ".join(text.rstrip(".") for text in told) + "."

    @property
    def ended(self) -> bool:
        """Whether nothing goes on and nothing is waited for."""
        return not self.alive and not any(stage.state in ("running", "waiting") for stage in self.stages)

    def as_document(self) -> dict[str, Any]:
        """Give it as plain values, for machines."""
        held = self.holder
        return {
            "output": self.output,
            "at": self.at,
            "in_order": self.in_order,
            "ended": self.ended,
            "too_many_failed": self.too_many,
            "stages": [asdict(stage) for stage in self.stages],
            "station_days": self.station_days,
            "failed_days": len(self.failures),
            "failures": [
                {"station_day": str(outcome.station_day), "status": outcome.status, "reason": outcome.reason}
                for outcome in self.failures
            ],
            "holder": held
            and {
                "user": held.user,
                "host": held.host,
                "pid": held.pid,
                "since": held.since,
                "sign_of_life": _iso(held.sign),
                "released": held.released,
                "alive": self.alive,
            },
            "submission": self.submission and asdict(self.submission),
        }


def read_status(config: RunConfig) -> RunStatus:
    """Find out how far a run is.

    Parameters
    ----------
    config : RunConfig
        Of the run file; its archive is not asked.

    Raises
    ------
    MissingStageError
        When the output holds nothing of a run.
    StoreError
        When it cannot be read, or something in it is damaged.
    """
    output = output_of(config)
    config = with_held_seeds(config)
    index, holder, submission = read_index(output), read_holder(output), read_submission(output)
    told = {stage: found for stage in (*BESIDE, *STAGES) if (found := _told(output, stage, submission))}
    if index is None and holder is None and submission is None:
        raise MissingStageError(f"{output} holds nothing of a run yet. `couloir run` begins one.")
    look = Look(time.time(), holder, submission, told)
    outcomes = read_outcomes(output, sorted(index or ()))
    too_many = _find_too_many(config, outcomes, sum(map(len, (index or {}).values())), look)
    return RunStatus(
        output=str(output),
        at=_iso(look.at),
        stages=tuple(look.judge(read_standings(config, index), too_many)),
        too_many=too_many,
        holder=holder,
        alive=look.alive,
        silent_s=look.silent_s,
        station_days=len(outcomes),
        failures=tuple(outcome for outcome in outcomes if outcome.failed),
        submission=submission,
    )


def _told(output: Location, stage: str, submission: Submission | None) -> Progress | None:
    """Give what was told last of a stage: by itself, or by its job's script."""
    told = [read_progress(output, stage), *(_told_by_script(submission, stage) if submission else ())]
    return max(filter(None, told), key=lambda progress: progress.updated, default=None)


def _told_by_script(submission: Submission, stage: str) -> Iterator[Progress]:
    """Read what the script of a SLURM job says in its own folder: it is queued again, or could not even start.

    Nothing where it says nothing, or where the folder is not reached from here.
    """
    if submission.cluster != "slurm":
        return
    states: tuple[State, ...] = ("queued", "failed")
    for state in states:
        try:
            at, _, reason = Path(submission.logs, f"{stage}.{state}").read_text().strip().partition(" ")
            moment = _iso(float(at))
        except (OSError, ValueError):
            continue
        job = submission.job(stage)
        yield Progress(stage, state, since=moment, updated=float(at), until=moment, job=job, reason=reason)


def _find_too_many(config: RunConfig, outcomes: Sequence[Outcome], total: int, look: Look) -> str:
    """Say whether more station-days failed than allowed, of all that there are to be."""
    failed = sum(outcome.failed for outcome in outcomes)
    if look.is_working("detect"):  # what failed at an earlier start is tried again
        failed = look.told["detect"].counts.get("failed", failed)
    allowed = config.compute.max_failed_fraction
    if not failed or (failed <= allowed * total and failed < total):
        return ""
    return f"{failed:,} of {total:,} station-days failed; compute.max_failed_fraction allows {allowed:.0%}"


def _iso(moment: float) -> str:
    return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(timespec="seconds")
