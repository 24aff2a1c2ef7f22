"""Judge one stage after the other: its marks, what it tells of itself, signs of life, and what was submitted."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from couloir.stages.standing import STAGES, Standing
from couloir.store.holder import Holder
from couloir.store.progress import Progress
from couloir.store.submission import Submission

BESIDE = ("plan", "select-k")
"""What is told only while it goes on, or when it went wrong."""
BAD: tuple["State", ...] = ("failed", "silent", "cancelled")
"""The states that are not in order."""

State = Literal["done", "running", "waiting", "to do", "stopped", "silent", "failed", "cancelled"]


@dataclass(frozen=True)
class StageStatus:
    """Say how far a stage is.

    Attributes
    ----------
    state : str
        ``done``: complete, by its marks; ``running``; ``waiting``: its job was submitted; ``to do``; ``stopped``:
        by SIGTERM or Ctrl-C; ``silent``: it was running and gives no sign of life; ``failed``; ``cancelled``: its
        job will not run, since an earlier stage failed.
    done, total : int
        In its unit. Of detection: station-days in months that are complete.
    phase : str
        Of a training.
    rate : float or None
        Units a second, of this start.
    ends_in_s : float or None
        Until the end of the stage, or of the phase where it has several, s.
    at_most : bool
        Whether it may well end earlier.
    by, since : str
        Who works on it and where, and since when.
    counts : mapping of str to int
        Events, bytes.
    remark : str
        What there is to know beside its state.
    reason : str
        Why it is not in order.
    """

    stage: str
    state: State
    done: int = 0
    total: int = 0
    unit: str = ""
    phase: str = ""
    rate: float | None = None
    ends_in_s: float | None = None
    at_most: bool = False
    by: str = ""
    since: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Look:
    """Hold what stages are judged by at one moment.

    Attributes
    ----------
    at : float
        The moment, s since the epoch.
    holder : Holder or None
        Who holds the output, or held it last.
    submission : Submission or None
    told : mapping of str to Progress
        What each stage tells of itself.
    """

    at: float
    holder: Holder | None
    submission: Submission | None
    told: Mapping[str, Progress]

    @property
    def silent_s(self) -> float:
        """Time since the holder's last sign of life, by its own clock, s."""
        if self.holder is None:
            return 0.0
        signs = [told.updated for told in self.told.values() if told.token == self.holder.token]
        return max(0.0, self.at - max(self.holder.sign, *signs, 0.0))

    @property
    def alive(self) -> bool:
        """Whether the holder gives signs of life."""
        return self.holder is not None and self.holder.lives(self.silent_s)

    def is_working(self, stage: str) -> bool:
        """Say whether a stage is worked on."""
        told = self.told.get(stage)
        return told is not None and told.state == "running" and self.alive and self._is_holders(told)

    def judge(self, standings: Mapping[str, Standing], too_many: str) -> Iterator[StageStatus]:
        """Judge all stages, in the order of the work.

        Parameters
        ----------
        standings : mapping of str to Standing
            What there is of each.
        too_many : str
            Says that more station-days failed than allowed; empty where they did not.
        """
        failed = ""
        for stage in BESIDE:
            beside = self._judge_started(stage)
            if beside is not None and beside.state != "done":
                failed = failed or (stage if stage == "plan" and beside.state == "failed" else "")
                yield beside
        for stage, standing in standings.items():
            judged = self._judge(stage, standing, failed)
            if stage == "detect" and too_many and not self.is_working(stage):
                judged = replace(judged, state="failed", reason=too_many)
            yield judged
            failed = failed or (stage if judged.state == "failed" else "")

    def _judge(self, stage: str, standing: Standing, failed: str) -> StageStatus:
        """Judge a stage that has marks; ``failed`` names an earlier one that failed."""
        started = self._judge_started(stage)
        if standing.complete:
            judged = StageStatus(stage, "done")
            if self.is_working(stage):
                judged = replace(judged, by=self.told[stage].by, since=self.told[stage].since)
        elif started is not None and started.state != "done":
            judged = started
        else:
            judged = self._judge_waiting(stage, failed)
        if stage == "detect":
            events = {"events": standing.events} if standing.total else {}
            judged = replace(judged, done=standing.done, total=standing.total, unit="station-days")
            counts = dict(judged.counts)
            if "written" in counts:
                counts["open"] = self.told[stage].done - counts["written"]
            judged = replace(judged, counts=events | counts)
        return replace(judged, remark=judged.remark or standing.remark)

    def _judge_waiting(self, stage: str, failed: str) -> StageStatus:
        job = self.submission.job(stage) if self.submission else ""
        if job and failed:
            return StageStatus(stage, "cancelled", by=job, reason=f"{failed} failed")
        if job:
            reason = self._why_its_job_failed(stage)
            return StageStatus(stage, "failed" if reason else "waiting", by=job, reason=reason)
        return StageStatus(stage, "to do")

    def _why_its_job_failed(self, stage: str) -> str:
        """Say why the job that was to do a stage has failed, if another of its stages tells that."""
        jobs = self.submission.jobs if self.submission else {}
        failures = (
            told.reason
            for other, told in self.told.items()
            if told.state == "failed" and jobs.get(other) == jobs.get(stage) and not self._is_past(told)
        )
        return next(failures, "")

    def _judge_started(self, stage: str) -> StageStatus | None:
        """Judge a stage by what it tells of itself; None where it does not, or where that is of the past."""
        told = self.told.get(stage)
        if told is None or self._is_past(told):
            return None
        if told.state == "queued":
            return StageStatus(stage, "waiting", by=told.by, remark=told.reason)
        judged = StageStatus(
            stage,
            state=told.state,
            done=told.done,
            total=told.total,
            unit=told.unit,
            phase=told.phase,
            by=told.by,
            since=told.since,
            counts=told.counts,
            remark=told.remark,
            reason=told.reason,
        )
        if told.state == "stopped":
            until = told.until.replace("T", " ").replace("+00:00", " UTC")
            return replace(judged, reason=f"{told.reason}, {until}; the same command goes on from there")
        if told.state != "running":
            return judged
        if not self.is_working(stage):
            return replace(judged, state="silent", reason=self._why_silent(told))
        return replace(judged, rate=told.rate, ends_in_s=self._ends_in(told), at_most=told.phase == "cluster")

    def _ends_in(self, told: Progress) -> float | None:
        """Give the time until a stage, or its phase, will have ended, s."""
        if not told.rate or told.done >= told.total:
            return None
        return max(0.0, (told.total - told.done) / told.rate - max(0.0, self.at - told.updated))

    def _is_holders(self, told: Progress) -> bool:
        return self.holder is not None and self.holder.token == told.token

    def _is_past(self, told: Progress) -> bool:
        """Say whether what a stage tells is older than what goes on, was submitted, or was done before it anew."""
        if (self.alive or told.stage in BESIDE) and not self._is_holders(told):
            return not self._found_it_held(told)
        if self.is_working(told.stage):
            return False
        if self.submission is not None:  # whose jobs' failures stay: what waits for them will not run
            return dt.datetime.fromisoformat(self.submission.at).timestamp() > told.updated
        before = STAGES[: STAGES.index(told.stage)] if told.stage in STAGES else ()
        done = (each for each in before if each in self.told and self.told[each].state == "done")
        return any(self.told[each].updated > told.updated for each in done)

    def _found_it_held(self, told: Progress) -> bool:
        """Say whether a job that was submitted has failed while the run that lives held the output already."""
        if self.submission is None or self.holder is None or not told.job:
            return False
        if told.job != self.submission.job(told.stage):
            return False
        return told.state == "failed" and told.updated >= dt.datetime.fromisoformat(self.holder.since).timestamp()

    def _why_silent(self, told: Progress) -> str:
        held = self.holder
        if held is None or not self._is_holders(told) or held.released:
            return "it ended without a word; the same command goes on from what is complete"
        if held.is_gone:
            return f"process {told.pid} on {told.host} has died; the same command goes on from what is complete"
        return f"no sign of life for {self.silent_s / 60:.0f} min"
