"""Measure detection with archive and output in the local S3 server against the same run on the local disk."""

import argparse
import datetime as dt
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import s3server

from archives import FIRST, stamp_archive
from couloir.compute.local import LocalPool
from couloir.config import RunConfig
from couloir.runfile import build
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.store.outcomes import Outcome

BUCKET = "bench"


def make_config(archive: str, output: str, options: dict, *, days: int, workers: int, ahead: float) -> RunConfig:
    """Make the run's settings."""
    end = FIRST + dt.timedelta(days=days)
    return build(
        {
            "archive": {"url": archive, "start": FIRST, "end": end, "storage_options": options},
            "output": {"url": output, "storage_options": options},
            "compute": {"workers": workers, "read_ahead_mb": ahead},
        }
    )


def silent(_: Outcome) -> None:
    """Tell nobody."""


def run_once(config: RunConfig, pool: LocalPool) -> float:
    """Detect everything on workers that are warm, and give the seconds."""
    made = plan(config)
    began = time.perf_counter()
    outcomes = detect(config, made.inventory, pool, progress=silent)
    seconds = time.perf_counter() - began
    assert all(outcome.status == "ok" for outcome in outcomes)
    return seconds


def main() -> None:
    """Print the seconds of both, in pairs, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=4)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--read-ahead-mb", type=float, default=256.0)
    parser.add_argument("--activity", type=float, default=1.0, help="multiplies how many events a day has")
    given = parser.parse_args()
    if lacking := s3server.missing():
        sys.exit(lacking)
    os.environ |= s3server.KEYS | {"AWS_DEFAULT_REGION": "us-east-1"}
    with tempfile.TemporaryDirectory() as folder:
        root = stamp_archive(Path(folder), stations=given.stations, days=given.days, activity=given.activity)
        server = s3server.S3Server(Path(folder) / "s3").start()
        try:
            server.make_bucket(BUCKET)
            server.aws("s3", "cp", "--recursive", "--only-show-errors", str(root), f"s3://{BUCKET}/sds")
            compare(given, root, server, Path(folder))
        finally:
            server.close()


def compare(given: argparse.Namespace, root: Path, server: s3server.S3Server, folder: Path) -> None:
    """Run both in turn, the disk's workers first."""
    total = given.stations * given.days
    print(f"{total} station-days, {given.workers} worker(s), pairs of runs", flush=True)
    ratios = []
    settings = {"days": given.days, "workers": given.workers, "ahead": given.read_ahead_mb}
    for number in range(given.pairs + 1):
        seconds = []
        for archive, output, options in (
            (str(root), str(folder / f"out{number}"), {}),
            (f"s3://{BUCKET}/sds", f"s3://{BUCKET}/out{number}", server.options()),
        ):
            config = make_config(archive, output, options, **settings)
            pool = LocalPool(config.compute)
            try:
                first = config.model_copy(
                    update={
                        "archive": config.archive.model_copy(update={"end": FIRST + dt.timedelta(days=1)}),
                        "output": config.output.model_copy(update={"url": f"{output}-warm"}),
                    }
                )
                run_once(first, pool)  # the workers have loaded their libraries
                seconds.append(run_once(config, pool))
            finally:
                pool.close()
        if number == 0:
            continue  # the page cache and the server are warm now
        ratios.append(seconds[0] / seconds[1])
        print(f"disk {seconds[0]:6.2f} s   S3 {seconds[1]:6.2f} s   S3 reaches {ratios[-1]:.0%}", flush=True)
    print(f"median {statistics.median(ratios):.0%}  (85 % or more is wanted)")


if __name__ == "__main__":
    main()
