"""Blocks are finished before new ones are begun, each is written once, and no task is waited for without end."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couloir.archive.inventory import take_inventory
from couloir.archive.listing import ArchiveObject
from couloir.errors import HeldError
from couloir.identifiers import ChannelId
from couloir.runfile import build
from couloir.stages.detect import detect
from couloir.store.outcomes import Outcome

FIRST = dt.date(2024, 1, 25)


def inventory_of(days_of_stations):
    objects = [
        ArchiveObject(f"/a/{number}/{day}", 1000, "1", ChannelId("XX", f"S{number:02d}", "", "HHZ"), day)
        for number, days in enumerate(days_of_stations)
        for day in (FIRST + dt.timedelta(days=k) for k in range(days))
    ]
    period = [FIRST + dt.timedelta(days=k) for k in range(max(days_of_stations))]
    return take_inventory(objects, days=period, band_priority=("HH",))


class SimulatedPool:
    """Workers that take tasks as Dask does: those submitted singly first, others in order; they end at random."""

    def __init__(self, workers, seed, never=()):
        self.workers = workers
        self._rng = np.random.default_rng(seed)
        self._urgent, self._queue, self._running, self._done = [], [], [], set()
        self._tasks, self.results = {}, {}
        self.never = set(never)
        self.begun, self.written, self.most_open = set(), [], 0

    def submit(self, function, task, results):
        handle = ("write", task.block)
        assert handle not in self._tasks, f"{task.block} is written twice"
        self._tasks[handle] = task
        self.results[task.block] = results
        self._urgent.append(handle)
        return handle

    def submit_each(self, function, tasks):
        handles = [("day", task.station_day) for task in tasks]
        self._tasks.update(zip(handles, tasks, strict=True))
        self._queue += handles
        return handles

    def wait(self, handles, *, timeout_s):
        while len(self._running) < self.workers and (self._urgent or self._queue):
            handle = (self._urgent or self._queue).pop(0)
            self._running.append(handle)
            if handle[0] == "day":
                self.begun.add(handle[1].block)
        self.most_open = max(self.most_open, len(self.begun - set(self.written)))
        able = [handle for handle in self._running if handle[1] not in self.never]
        if not able:
            return set()
        handle = able[self._rng.integers(len(able))]
        self._running.remove(handle)
        if handle[0] == "write":
            self.written.append(handle[1])
        return {handle}

    def give_up(self, handles):
        stuck = {handle for handle in handles if handle[1] in self.never}
        self._running = [handle for handle in self._running if handle not in stuck]
        return stuck

    def result(self, handle):
        return [Outcome(day, "ok") for day in self.days_of(handle[1])]

    def error(self, handle):
        return None

    def days_of(self, block):
        return self.inventory.blocks[block]


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    """Run the schedule over an inventory with simulated workers; nothing is read or written but outcomes."""

    def go(days_of_stations, pool, *, stall_s=1800.0, told=None, **options):
        inventory = pool.inventory = inventory_of(days_of_stations)
        folder = tmp_path_factory.mktemp("schedule")
        config = build(
            {
                "archive": {"url": str(folder), "start": FIRST, "end": FIRST + dt.timedelta(days=200)},
                "output": {"url": str(folder / "out")},
                "compute": {"stall_s": stall_s},
            }
        )
        tell = (lambda outcome: None) if told is None else told.append
        detect(config, inventory, pool, progress=tell, **options)
        return inventory

    return go


@settings(max_examples=40)
@given(
    days=st.lists(st.integers(1, 70), min_size=1, max_size=8),
    workers=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_killed_run_has_at_most_one_block_a_worker_to_do_again(go, days, workers, seed):
    pool = SimulatedPool(workers, seed)
    inventory = go(days, pool)
    assert sorted(pool.written) == sorted(inventory.blocks)
    assert pool.most_open <= workers


def test_no_two_tasks_write_one_key(go):
    pool = SimulatedPool(3, 1)
    inventory = go([40, 40, 3], pool)
    keys = [block.key for block in inventory.blocks]
    assert len(keys) == len(set(keys)) == len(pool.written)


def test_a_day_that_does_not_end_is_a_failure_that_names_the_limit_and_the_rest_goes_on(go):
    stuck = sorted(inventory_of([3, 2]).chosen)[1]
    pool = SimulatedPool(2, 1, never=[stuck])
    go([3, 2], pool, stall_s=0.3)
    assert len(pool.written) == 2
    handed = [result for result in pool.results[stuck.block] if not isinstance(result, tuple)]
    assert [(each.outcome.station_day, each.outcome.status) for each in handed] == [(stuck, "failed")]
    assert "compute.stall_s" in handed[0].outcome.reason


def test_a_write_that_does_not_end_is_told_for_its_days(go):
    block = sorted(inventory_of([3, 2]).blocks)[0]
    told = []
    pool = SimulatedPool(2, 1, never=[block])
    go([3, 2], pool, stall_s=0.3, told=told)
    failed = [outcome for outcome in told if outcome.status == "failed"]
    assert [outcome.station_day.block for outcome in failed] == [block] * 3
    assert "compute.stall_s" in failed[0].reason


def test_a_run_that_lost_its_hold_stops(go):
    class Lost:
        token = "x"  # noqa: S105 - no password

        def check(self):
            raise HeldError("taken over")

    pool = SimulatedPool(2, 1)
    with pytest.raises(HeldError, match="taken over"):
        go([3], pool, hold=Lost())
    assert pool.written == []
