"""Compare two workers with one on the same station-days: detection, spectrograms and writing."""

import argparse
import datetime as dt
import shutil
import tempfile
import time
from pathlib import Path

from archives import FIRST, stamp_archive
from couloir.compute.local import LocalPool
from couloir.runfile import build
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.stages.station_day import detect_station_day
from couloir.terminal import show_cost
from timing import ratio, show


def run(root: Path, output: Path, *, days: int, workers: int) -> float:
    """Detect with so many workers, and give the seconds from the first task to the last block."""
    config = build(
        {
            "archive": {"url": str(root), "start": FIRST, "end": FIRST + dt.timedelta(days=days)},
            "output": {"url": str(output)},
            "compute": {"workers": workers},
        }
    )
    inventory = plan(config).inventory
    pool = LocalPool(config.compute)
    try:
        pool._client.wait_for_workers(workers)
        pool._client.run(lambda: detect_station_day.__module__)  # imports are not what is measured
        began = time.perf_counter()
        outcomes = detect(config, inventory, pool, progress=lambda _: None)
        seconds = time.perf_counter() - began
    finally:
        pool.close()
    assert all(outcome.status == "ok" for outcome in outcomes)
    events = sum(outcome.events for outcome in outcomes)
    print(f"{workers} worker(s): {len(outcomes)} station-days, {events:,} events in {seconds:.1f} s", flush=True)
    show_cost(outcomes)
    shutil.rmtree(output)
    return seconds


def main() -> None:
    """Print the seconds and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--activity", type=float, default=1.0, help="multiplies how many events a day has")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = stamp_archive(Path(folder), stations=given.stations, days=given.days, activity=given.activity)
        seconds: dict[str, list[float]] = {"one worker": [], "two workers": []}
        for _ in range(given.rounds):
            for workers, name in enumerate(seconds, start=1):
                seconds[name].append(run(root, Path(folder) / "output", days=given.days, workers=workers))
    show(seconds, unit="s", scale=1.0)
    print(f"one / two: {ratio(seconds, *seconds):.2f}  (1.8 or more is wanted)")


if __name__ == "__main__":
    main()
