"""Measure what scheduling costs: a great many station-days through the real pool, with the work left out."""

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil
from distributed import Future

from couloir.archive.inventory import Inventory, take_inventory
from couloir.archive.listing import ArchiveObject
from couloir.compute.local import LocalPool
from couloir.identifiers import ChannelId
from couloir.runfile import build
from couloir.stages import detect as stage
from couloir.stages.detect import detect
from couloir.stages.station_day import DayTask
from couloir.store.outcomes import Outcome
from stubs import no_detection, no_writing, nothing_known

FIRST = dt.date(2000, 1, 1)


def made_up(stations: int, days: int) -> Inventory:
    """Make an inventory of three channels a station-day, of files that are not there."""
    period = [FIRST + dt.timedelta(days=k) for k in range(days)]
    objects = [
        ArchiveObject(
            f"/archive/S{number:04d}/{channel}/{day}",
            10_000_000,
            "1",
            ChannelId("XX", f"S{number:04d}", "", channel),
            day,
        )
        for number in range(stations)
        for channel in ("HHE", "HHN", "HHZ")
        for day in period
    ]
    return take_inventory(objects, days=period, band_priority=("HH",))


class PoolWithoutWork(LocalPool):
    """Hand station-days to workers like the real one, and fetch nothing for them."""

    def submit_each(self, function: Callable[[Any], Any], arguments: Sequence[DayTask]) -> list[Future]:
        """Start a task for each argument."""
        futures: list[Future] = self._client.map(function, arguments, pure=False)
        self._completed.update(futures)
        return futures


def main() -> None:
    """Print milliseconds a station-day and the memory of the scheduling process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    stage.detect_station_day, stage.write_block_task = no_detection, no_writing
    stage.read_outcomes = nothing_known
    began = time.perf_counter()
    inventory = made_up(given.stations, given.days)
    total = len(inventory.chosen)
    blocks = len(inventory.blocks)
    print(f"{total:,} station-days in {blocks:,} blocks; inventory made in {time.perf_counter() - began:.1f} s")
    process, sizes = psutil.Process(), []
    with tempfile.TemporaryDirectory() as folder:
        config = build(
            {
                "archive": {"url": folder, "start": FIRST, "end": FIRST + dt.timedelta(days=given.days)},
                "output": {"url": f"{folder}/out"},
                "compute": {"workers": given.workers},
            }
        )
        pool = PoolWithoutWork(config.compute)
        done = 0

        def told(_: Outcome) -> None:
            nonlocal done
            done += 1
            if done % max(total // 10, 1) == 0:
                sizes.append(process.memory_info().rss)
                print(
                    f"{done:>9,} done after {time.perf_counter() - began:6.1f} s, {sizes[-1] / 2**20:5.0f} MiB",
                    flush=True,
                )

        began = time.perf_counter()
        try:
            detect(config, inventory, pool, progress=told)
        finally:
            pool.close()
        seconds = time.perf_counter() - began
    assert done == total
    print(f"{1e3 * seconds / total:.2f} ms a station-day  (2 or less is wanted)")
    print(f"memory at the end / after a tenth: {sizes[-1] / sizes[0]:.2f}")


if __name__ == "__main__":
    main()
