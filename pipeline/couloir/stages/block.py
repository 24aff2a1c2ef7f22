"""Write one block: the task that ends what its station-days' tasks began."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.compute.turns import my_turn
from couloir.errors import HeldError
from couloir.identifiers import Block
from couloir.stages.settings import Picturing
from couloir.stages.station_day import DayResult
from couloir.store.blocks import complete_block, write_block
from couloir.store.hold import holds
from couloir.store.location import Location
from couloir.store.outcomes import Outcome, write_outcomes


@dataclass(frozen=True)
class BlockTask:
    """Hold all that the writing of one block needs, beside its days' results."""

    block: Block
    output: Location
    picturing: Picturing
    mark: dict[str, Any]
    token: str | None = None
    """Of the hold on the output, without which nothing is written."""

    def check(self) -> None:
        """Refuse to write for a run from which another has taken over.

        Raises
        ------
        HeldError
        """
        if self.token is not None and not holds(self.output, self.token):
            raise HeldError(f"{self.output} was taken over by another run. What this one had completed stays.")


def write_block_task(task: BlockTask, results: Sequence[DayResult]) -> list[Outcome]:
    """Write a block from its days' results: data, then outcomes, and last the mark that makes it complete."""
    began = time.perf_counter()
    ordered = sorted(results, key=lambda result: result.outcome.station_day)
    events = [event for result in ordered for event in result.events]
    clock = _Clock(task.picturing)
    task.check()
    written = write_block(
        task.output,
        task.block,
        events=events,
        waveforms=[result.waveforms for result in ordered],
        picture=clock,
        axes=task.picturing.axes,
        settings=_attributes(task.picturing),
    )
    writing = time.perf_counter() - began - clock.seconds
    outcomes = [
        _with_share(result.outcome, len(events), spectrogram=clock.seconds, write=writing) for result in ordered
    ]
    task.check()
    beside = write_outcomes(task.output, task.block, outcomes)
    failed = sum(outcome.status == "failed" for outcome in outcomes)
    mark = task.mark | {"events": len(events), "failed": failed}
    complete_block(task.output, task.block, written, mark=mark, beside=beside)
    return outcomes


class _Clock:
    """Compute spectrograms when it is this task's turn, and time them; what is written meanwhile needs no turn."""

    def __init__(self, picturing: Picturing) -> None:
        self.picturing = picturing
        self.seconds = 0.0

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float16]:
        with my_turn():
            began = time.perf_counter()
            pictures = self.picturing(windows)
            self.seconds += time.perf_counter() - began
        return pictures


def _attributes(picturing: Picturing) -> dict[str, Any]:
    """Name the settings that a reader of a block alone wants to know."""
    detect, spectrogram = picturing.detect, picturing.spectrogram
    return {
        "sampling_rate": detect.sampling_rate,
        "window_s": detect.window_s,
        "before_onset_s": detect.before_onset_s,
        "band_hz": [list(band) for band in detect.bands] if len(detect.bands) > 1 else list(detect.bands[0]),
        "on_factor": detect.on_factor,
        "envelope": detect.envelope,
        "transform": spectrogram.transform,
        "segment_s": spectrogram.segment_s,
    }


def _with_share(outcome: Outcome, events: int, **seconds: float) -> Outcome:
    """Add a day's share, by its events, of the seconds spent on its block."""
    share = outcome.events / events if events else 0.0
    return replace(
        outcome, seconds={**outcome.seconds, **{name: value * share for name, value in seconds.items()}}
    )
