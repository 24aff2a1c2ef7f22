"""Detect: archive in, spectrogram archive and outcomes out; one task a station-day, one a block."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from couloir.archive.inventory import DayFiles, Inventory
from couloir.archive.response import Sensitivity
from couloir.compute.pool import Handle, Pool
from couloir.config import RunConfig, content_hash
from couloir.errors import CouloirError
from couloir.identifiers import BandId, Block, StationDay
from couloir.stages.block import BlockTask, write_block_task
from couloir.stages.marks import all_is_well
from couloir.stages.settings import Picturing, detection_hash, output_of
from couloir.stages.station_day import REACH_DAYS, DayResult, DayTask, detect_station_day
from couloir.store.blocks import prepare, read_marks
from couloir.store.hold import Hold
from couloir.store.manifest import write_index
from couloir.store.outcomes import Outcome, read_outcomes, write_outcomes

DAYS_IN_FLIGHT = 16
"""Station-days handed out for each worker, besides those that wait for their block: they wait at the scheduler."""

_LOOK_S = 5.0
"""How often the hold on the output is looked at while nothing ends, s."""
_MORE_MEMORY = "More compute.memory_gb, or a smaller detect.max_windows, may help."

Progress = Callable[[Outcome], None]
Worked = Callable[[StationDay], None]
Sensitivities = Mapping[BandId, tuple[Sensitivity, ...]]


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
    hold: Hold | None = None,
    worked: Worked | None = None,
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
    hold : Hold, optional
        On the output; when it is lost the run ends.
    worked : callable, optional
        Told each station-day that was worked on now, which is before its block is written.

    Returns
    -------
    list of Outcome
        Of all chosen station-days, in order.

    Raises
    ------
    StoreError
        When the output cannot be written, or another run has taken it over.
    """
    output = output_of(config)
    blocks = inventory.blocks
    prepare(output, blocks)
    write_index(output, blocks)
    known_gains = sensitivities or {}
    marks = {
        block: block_mark(config, inventory, days, known_gains.get(block.band)) for block, days in blocks.items()
    }
    stale = []
    held = read_marks(output, blocks)
    done = [block for block in blocks if _matches(held[block], marks[block])]
    told: dict[Block, list[Outcome]] = defaultdict(list)
    for outcome in read_outcomes(output, done):
        told[outcome.station_day.block].append(outcome)
    for block, days in blocks.items():
        known = told[block]
        if len(known) < len(days) or any(outcome.status == "failed" for outcome in known):
            stale.append(block)
            continue
        for outcome in known:
            progress(outcome)
    picturing = Picturing(config.detect, config.spectrogram)
    token = hold.token if hold else None
    tasks = {block: BlockTask(block, output, picturing, marks[block], token) for block in stale}
    check = hold.check if hold else all_is_well
    for outcomes in _Schedule(config, inventory, pool, tasks, known_gains, check, worked or _nobody).run():
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
    objects = [
        (item.path, item.size, item.version, str(item.channel))
        for name in sorted(files)
        for item in files[name].objects
    ]
    beside = [day for key in (min(days), max(days)) for day in inventory.chosen_around(key, reach=1)]
    gains = None if sensitivities is None else [[str(s.channel), *astuple(s)[1:]] for s in sensitivities]
    inputs = content_hash([str(key) for key in days], [str(day) for day in beside], objects, gains)
    return {"settings": detection_hash(config), "inputs": inputs}


class _Schedule:
    """Keep the workers busy with the days of a few blocks at a time, so that results do not pile up."""

    def __init__(
        self,
        config: RunConfig,
        inventory: Inventory,
        pool: Pool,
        tasks: dict[Block, BlockTask],
        sensitivities: Sensitivities,
        check: Callable[[], None],
        worked: Worked,
    ) -> None:
        self._config = config
        self._worked = worked
        self._check = check
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
            for handle, error in self._next_ended():
                if handle in self._writes:
                    yield self._written(handle, error)
                else:
                    self._collect(handle, error)

    def _next_ended(self) -> list[tuple[Handle, BaseException | None]]:
        """Wait until tasks end, and give what each raised; those that do not end are given up."""
        stall_s = self._config.compute.stall_s
        began = time.monotonic()
        while (waited := time.monotonic() - began) < stall_s:
            self._check()
            handles = [*self._days, *self._writes]
            ended = self._pool.wait(handles, timeout_s=min(_LOOK_S, stall_s - waited))
            if ended:
                return [(handle, self._error(handle)) for handle in ended]
        stuck = self._pool.give_up(handles)
        error = TimeoutError(f"no end after {stall_s:g} s (compute.stall_s)")
        return [(handle, error) for handle in stuck]

    def _error(self, handle: Handle) -> BaseException | None:
        try:
            return self._pool.error(handle)
        except TimeoutError as error:  # its worker died since, and it was not made again in time
            return error

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

    def _written(self, handle: Handle, error: BaseException | None) -> list[Outcome]:
        """Give a block's outcomes; where its task failed the block has no mark, and its days are tried again."""
        block = self._writes.pop(handle)
        if error is None:
            try:
                outcomes: list[Outcome] = self._pool.result(handle)
            except TimeoutError:  # its worker died since; what it wrote is there
                outcomes = read_outcomes(self._tasks[block].output, [block])
            return outcomes
        if isinstance(error, CouloirError):  # the output cannot be written: nothing that follows could be, either
            raise error
        reason = f"block {block} was not written: {type(error).__name__}: {error}. {_MORE_MEMORY}"
        outcomes = [Outcome(key, "failed", reason) for key in self._inventory.blocks[block]]
        write_outcomes(self._tasks[block].output, block, outcomes)
        return outcomes

    def _collect(self, handle: Handle, error: BaseException | None) -> None:
        key = self._days.pop(handle)
        waiting = self._open[key.block]
        if error is None:
            waiting.results.append(handle)
        else:  # the worker itself died of it, again and again, or it did not end
            what = str(error) if isinstance(error, TimeoutError) else f"the worker died: {error}. {_MORE_MEMORY}"
            outcome = Outcome(key, "failed", what)
            waiting.results.append(DayResult.nothing(outcome, self._config.detect))
        self._worked(key)
        waiting.awaited -= 1
        if waiting.awaited == 0:
            del self._open[key.block]
            task = self._tasks[key.block]
            self._writes[self._pool.submit(write_block_task, task, waiting.results)] = key.block


def _nobody(key: StationDay) -> None:
    """Tell nobody."""


def _matches(found: dict[str, Any] | None, expected: dict[str, Any]) -> bool:
    """Say whether a block is made from what is expected, with no day that should be tried again."""
    if found is None or found.get("failed"):
        return False
    return all(found.get(name) == value for name, value in expected.items())
