"""Follow the memory of a worker over a year of station-days, month by month."""

import argparse
import datetime as dt
import tempfile
import threading
from collections import defaultdict
from pathlib import Path

import psutil

from archives import FIRST, stamp_archive
from couloir.compute.local import LocalPool
from couloir.config import RunConfig
from couloir.runfile import build
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.store.outcomes import Outcome

_EVERY_S = 0.02
_GIB = 2**30


class Watch(threading.Thread):
    """Note the greatest resident memory of the worker process while each label stands."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.label = "start"
        self.peaks: dict[str, int] = defaultdict(int)
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until told to end."""
        while not self._ended.wait(_EVERY_S):
            sizes = [0]
            for process in psutil.Process().children(recursive=True):
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.Error:
                    continue
            self.peaks[self.label] = max(self.peaks[self.label], *sizes)

    def end(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self.join()


def main() -> None:
    """Print the peak of each month, and how the last compares with the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365, help="station-days; each takes 29 MB of disk")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = stamp_archive(Path(folder), stations=1, days=given.days)
        watch = Watch()

        def settings(days: int) -> RunConfig:
            return build(
                {
                    "archive": {"url": str(root), "start": FIRST, "end": FIRST + dt.timedelta(days=days)},
                    "output": {"url": str(Path(folder) / f"output-{days}")},
                    "compute": {"workers": 1, "memory_gb": 4},
                }
            )

        def detect_days(days: int) -> None:
            config = settings(days)

            def told(outcome: Outcome) -> None:
                assert outcome.status == "ok", outcome
                watch.label = f"after {outcome.station_day.day:%Y-%m}"

            detect(config, plan(config).inventory, pool, progress=told)

        pool = LocalPool(settings(given.days).compute)
        watch.start()
        watch.label = "first station-day"
        detect_days(1)
        watch.label = "first month"
        detect_days(given.days)
        watch.end()
        pool.close()
    for label, peak in watch.peaks.items():
        print(f"{label:20} {peak / _GIB:6.2f} GiB")
    months = [peak for label, peak in watch.peaks.items() if "month" in label or "after" in label]
    print(f"greatest: {max(months) / _GIB:.2f} GiB  (1.2 or less is wanted)")
    print(f"last full month / first: {months[-2] / months[0]:.2f}" if len(months) > 2 else "")


if __name__ == "__main__":
    main()
