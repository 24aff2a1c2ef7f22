"""Lay out a run's status: a table of the stages, then what is to be known of them in lines."""

import datetime as dt
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from couloir.stages.judging import StageStatus
from couloir.stages.status import RunStatus
from couloir.store.holder import STALE_S
from couloir.terminal import in_words, show_rate

_FAILURES = 5
"""How many station-days that failed are shown."""
_STYLES = {"done": "green", "running": "bold", "failed": "red", "silent": "red", "cancelled": "red"}


def view(status: RunStatus, archive: str) -> RenderableType:
    """Lay out a run's status; reasons name paths within the archive, whose path is given."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("stage", "state", "done", "rate", "ends"):
        table.add_column(name, overflow="fold")
    for stage in status.stages:
        state = Text(stage.state, style=_STYLES.get(stage.state, ""))
        table.add_row(stage.stage, state, _done(stage), show_rate(stage.rate), _ends(stage))
    lines = [*_of_stages(status), *_of_failures(status, archive), *_of_people(status)]
    return Group(Text(f"{status.output}, {_moment(status.at)}"), "", table, "", *map(_line, lines))


def _line(text: str) -> Text:
    """Break a sentence where it must be, and never a path that is to be copied."""
    return Text(text, no_wrap=True, overflow="ignore") if text.startswith("Logs: ") else Text(text)


def _done(stage: StageStatus) -> str:
    if not stage.total:
        return ""
    numbers = f"{stage.done:,}/{stage.total:,}"
    return f"{stage.phase} {numbers}" if stage.stage != "detect" and stage.phase else f"{numbers} {stage.unit}"


def _ends(stage: StageStatus) -> str:
    if stage.ends_in_s is None:
        return ""
    what = f"{stage.phase} " if stage.stage != "detect" and stage.phase else ""
    return f"{what}in {in_words(stage.ends_in_s)}{' at most' if stage.at_most else ''}"


def _of_stages(status: RunStatus) -> Iterator[str]:
    for stage in status.stages:
        if stage.state == "cancelled":
            yield f"{stage.stage}: {stage.by} will not run: {stage.reason}"
            continue
        if stage.reason:
            yield f"{stage.stage}: {stage.reason.rstrip('.')}."
        remark = "; ".join(filter(None, (_counted(stage), stage.remark)))
        if remark:
            yield f"{stage.stage}: {remark}"
        if stage.state == "waiting":
            yield f"{stage.stage}: waits as {stage.by}"
        elif stage.by:
            since = f" since {_moment(stage.since)}" if stage.since else ""
            yield f"{stage.stage}: {stage.by}{since}{_sign(status) if stage.state == 'running' else ''}"


def _sign(status: RunStatus) -> str:
    return f", alive {in_words(status.silent_s)} ago"


def _counted(stage: StageStatus) -> str:
    counts = stage.counts
    told = [f"{counts['events']:,} events"] if counts.get("events") else []
    if counts.get("bytes"):
        told.append(f"{counts['bytes'] / 1e6:,.0f} MB read")
    if stage.state == "running" and counts.get("open"):
        told.append(f"{counts['open']:,} more in months not yet complete")
    return ", ".join(told)


def _of_failures(status: RunStatus, archive: str) -> Iterator[str]:
    if not status.failures:
        return
    yield f"{len(status.failures):,} of {status.station_days:,} station-days failed:"
    for outcome in status.failures[:_FAILURES]:
        first, *others = outcome.reason.replace(archive, "").split("; ")
        yield f"  {outcome.station_day}: {outcome.status}: {first}{'; ...' if others else ''}"
    yield "`couloir outcomes` lists all of them with their reasons."


def _of_people(status: RunStatus) -> Iterator[str]:
    held, sent = status.holder, status.submission
    if held is None or held.released or held.is_gone:
        yield "Nobody works on it."
    elif not status.alive:
        yield f"Held by {held}{_sign(status)}; the next run takes over after {STALE_S:.0f} s without any."
    elif not any(stage.state == "running" for stage in status.stages):
        yield f"Held by {held}{_sign(status)}."
    if sent is not None:
        yield f"Submitted to {sent.cluster_name} by {sent.user} on {sent.host}, {_moment(sent.at)}."
        if sent.logs:
            yield f"Logs: {sent.logs}"


def _moment(iso: str) -> str:
    return f"{dt.datetime.fromisoformat(iso).astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
