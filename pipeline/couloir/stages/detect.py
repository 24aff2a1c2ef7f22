"""Detect: archive in, spectrogram archive and outcomes out; one task a station-day, one a block."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.archive.inventory import DayFiles, Inventory
from couloir.archive.response import Sensitivity
from couloir.compute.pool import Handle, Pool
from couloir.config import RunConfig, content_hash
from couloir.errors import CouloirError
from couloir.identifiers import BandId, Block, StationDay
from couloir.stages.settings import Picturing, detection_hash, output_of
from couloir.stages.station_day import REACH_DAYS, DayResult, DayTask, detect_station_day
from couloir.store.blocks import complete_block, prepare, read_mark, write_block
from couloir.store.location import Location
from couloir.store.outcomes import Outcome, read_outcomes, write_outcomes

DAYS_IN_FLIGHT = 16
"""Station-days handed out for each worker, besides those that wait for their block: they wait at the scheduler."""

_MORE_MEMORY = "More compute.memory_gb, or a smaller detect.max_windows, may help."

Progress = Callable[[Outcome], None]
Sensitivities = Mapping[BandId, tuple[Sensitivity, ...]]


@dataclass(frozen=True)
class BlockTask:
    """Hold all that the writing of one block needs, beside its days' results."""

    block: Block
    output: Location
    picturing: Picturing
    mark: dict[str, Any]


@dataclass
class _OpenBlock:
    """Follow a block until all its days are done."""

    block: Block
    awaited: int
    results: list[Handle | DayResult] = field(default_factory=list)


def detect(
    config: RunConfig,
    inventory: Inventory,
    pool: Pool,
    *,
    progress: Progress,
    sensitivities: Sensitivities | None = None,
) -> list[Outcome]:
    """Detect every chosen station-day whose block is not complete in the output.

    Parameters
    ----------
    config : RunConfig
    inventory : Inventory
        What exists and what was chosen.
    pool : Pool
        Runs the tasks.
    progress : callable
        Told each station-day's outcome, those of an earlier run too.
    sensitivities : mapping of BandId to tuple of Sensitivity, optional
        Where amplitudes shall be ground motion.

    Returns
    -------
    list of Outcome
        Of all chosen station-days, in order.

    Raises
    ------
    StoreError
        When the output cannot be written.
    """
    output = output_of(config)
    blocks = inventory.blocks
    prepare(output, blocks)
    known_gains = sensitivities or {}
    marks = {
        block: block_mark(config, inventory, days, known_gains.get(block.band)) for block, days in blocks.items()
    }
    stale = []
    for block, days in blocks.items():
        known = read_outcomes(output, [block]) if _matches(read_mark(output, block), marks[block]) else []
        if len(known) < len(days) or any(outcome.status == "failed" for outcome in known):
            stale.append(block)
            continue
        for outcome in known:
            progress(outcome)
    picturing = Picturing(config.detect, config.spectrogram)
    tasks = {block: BlockTask(block, output, picturing, marks[block]) for block in stale}
    for outcomes in _Schedule(config, inventory, pool, tasks, known_gains).run():
        for outcome in outcomes:
            progress(outcome)
    return sorted(read_outcomes(output, blocks), key=lambda outcome: outcome.station_day)


def block_mark(
    config: RunConfig,
    inventory: Inventory,
    days: Sequence[StationDay],
    sensitivities: Sequence[Sensitivity] | None = None,
) -> dict[str, Any]:
    """Hash what a block is made from: the settings, every object that its days may read, and its gains."""
    files: dict[str, DayFiles] = {}
    for key in days:
        for near in inventory.around(key, reach=REACH_DAYS).values():
            files[str(near.station_day)] = near
    objects = [(item.path, item.size, item.version) for name in sorted(files) for item in files[name].objects]
    beside = [day for key in (min(days), max(days)) for day in inventory.chosen_around(key, reach=1)]
    gains = None if sensitivities is None else [[str(s.channel), *astuple(s)[1:]] for s in sensitivities]
    inputs = content_hash([str(key) for key in days], [str(day) for day in beside], objects, gains)
    return {"settings": detection_hash(config), "inputs": inputs}


def write_block_task(task: BlockTask, results: Sequence[DayResult]) -> list[Outcome]:
    """Write a block from its days' results: data, then outcomes, and last the mark that makes it complete."""
    began = time.perf_counter()
    ordered = sorted(results, key=lambda result: result.outcome.station_day)
    events = [event for result in ordered for event in result.events]
    clock = _Clock(task.picturing)
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
    beside = write_outcomes(task.output, task.block, outcomes)
    failed = sum(outcome.status == "failed" for outcome in outcomes)
    mark = task.mark | {"events": len(events), "failed": failed}
    complete_block(task.output, task.block, written, mark=mark, beside=beside)
    return outcomes


class _Clock:
    """Time the spectrograms within the writing that asks for them."""

    def __init__(self, picturing: Picturing) -> None:
        self.picturing = picturing
        self.seconds = 0.0

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float16]:
        began = time.perf_counter()
        pictures = self.picturing(windows)
        self.seconds += time.perf_counter() - began
        return pictures


class _Schedule:
    """Keep the workers busy with the days of a few blocks at a time, so that results do not pile up."""

    def __init__(
        self,
        config: RunConfig,
        inventory: Inventory,
        pool: Pool,
        tasks: dict[Block, BlockTask],
        sensitivities: Sensitivities,
    ) -> None:
        self._config = config
        self._sensitivities = sensitivities
        self._inventory = inventory
        self._pool = pool
        self._tasks = tasks
        self._waiting = [(task.block, key) for task in tasks.values() for key in inventory.blocks[task.block]]
        self._waiting.reverse()
        self._days: dict[Handle, StationDay] = {}
        self._writes: dict[Handle, Block] = {}
        self._open: dict[Block, _OpenBlock] = {}

    def run(self) -> Iterator[list[Outcome]]:
        """Run all tasks; give each block's outcomes as soon as it is complete."""
        sizes = {block: len(self._inventory.blocks[block]) for block in self._tasks}
        while self._waiting or self._days or self._writes:
            room = DAYS_IN_FLIGHT * self._pool.workers - len(self._days)
            if 2 * room > DAYS_IN_FLIGHT * self._pool.workers:
                self._hand_out(room, sizes)
            for handle in self._pool.wait([*self._days, *self._writes]):
                if handle in self._writes:
                    yield self._written(handle)
                else:
                    self._collect(handle)

    def _hand_out(self, room: int, sizes: Mapping[Block, int]) -> None:
        """Start the next station-days, many at once: each message to the scheduler costs about the same."""
        keys: list[StationDay] = []
        while self._waiting and len(keys) < room:
            block, key = self._waiting.pop()
            self._open.setdefault(block, _OpenBlock(block, sizes[block]))
            keys.append(key)
        handles = self._pool.submit_each(detect_station_day, [self._day_task(key) for key in keys])
        self._days.update(zip(handles, keys, strict=True))

    def _day_task(self, key: StationDay) -> DayTask:
        around = self._inventory.around(key, reach=REACH_DAYS)
        chosen = frozenset(self._inventory.chosen_around(key, reach=1))
        gains = self._sensitivities.get(key.band)
        return DayTask(key, around, chosen, self._config.archive, self._config.detect, gains)

    def _written(self, handle: Handle) -> list[Outcome]:
        """Give a block's outcomes; where its task failed the block has no mark, and its days are tried again."""
        block = self._writes.pop(handle)
        error = self._pool.error(handle)
        if error is None:
            outcomes: list[Outcome] = self._pool.result(handle)
            return outcomes
        if isinstance(error, CouloirError):  # the output cannot be written: nothing that follows could be, either
            raise error
        reason = f"block {block} was not written: {type(error).__name__}: {error}. {_MORE_MEMORY}"
        outcomes = [Outcome(key, "failed", reason) for key in self._inventory.blocks[block]]
        write_outcomes(self._tasks[block].output, block, outcomes)
        return outcomes

    def _collect(self, handle: Handle) -> None:
        key = self._days.pop(handle)
        waiting = self._open[key.block]
        error = self._pool.error(handle)
        if error is None:
            waiting.results.append(handle)
        else:  # the worker itself died of it, again and again
            outcome = Outcome(key, "failed", f"the worker died: {error}. {_MORE_MEMORY}")
            waiting.results.append(DayResult.nothing(outcome, self._config.detect))
        waiting.awaited -= 1
        if waiting.awaited == 0:
            del self._open[key.block]
            task = self._tasks[key.block]
            self._writes[self._pool.submit(write_block_task, task, waiting.results)] = key.block


def _matches(found: dict[str, Any] | None, expected: dict[str, Any]) -> bool:
    """Say whether a block is made from what is expected, with no day that should be tried again."""
    if found is None or found.get("failed"):
        return False
    return all(found.get(name) == value for name, value in expected.items())


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
