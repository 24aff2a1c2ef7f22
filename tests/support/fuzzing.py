"""Send damaged files through the reading and the detection, one after another, and tell how it went.

Run as a program it ends with a JSON summary; a file that takes too long ends the process with a traceback.
"""

import argparse
import datetime as dt
import faulthandler
import json
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import damage

from couloir.archive.decode import decode
from couloir.archive.guard import guard
from couloir.archive.inventory import DayFiles
from couloir.archive.layout import Layout
from couloir.archive.listing import ArchiveObject
from couloir.config import ArchiveConfig, DetectConfig
from couloir.errors import UnreadableError
from couloir.identifiers import StationDay
from couloir.stages.station_day import DayTask, detect_station_day
from couloir.store.outcomes import FAILURES

HANG_S = 90
MOST_REMARKS = 64
LONGEST_TEXT = 8_000


def by_decoding(_folder: Path) -> Callable[[damage.Damaged], str]:
    """Decode each file: what comes is a recording or the error that names the file."""

    def read(item: damage.Damaged) -> str:
        try:
            found = decode(item.data, item.source.channel, name="some/file")
        except UnreadableError as error:
            check_texts([str(error)])
            check_names("some/file", str(error))
            return "reader died" if "died of it" in str(error) else "unreadable"
        check_texts(found.remarks)
        return "read with remarks" if found.remarks else "read"

    return read


def by_detecting(folder: Path) -> Callable[[damage.Damaged], str]:
    """Detect each file as a station-day: it has an outcome, and none is an error nobody thought of."""
    archive = ArchiveConfig(url=str(folder), start=dt.date(2000, 1, 1), end=dt.date(2030, 1, 1))
    settings = DetectConfig(sampling_rate=damage.RATE, band=[0.5, 2.0], min_valid_s=60)

    def detect(item: damage.Damaged) -> str:
        channel, day = item.source.channel, item.source.day
        path = folder / Layout.named("sds").path(channel, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.data)
        key = StationDay(channel.band, day)
        files = {day: DayFiles(key, (ArchiveObject(str(path), len(item.data), "1", channel, day),))}
        task = DayTask(key, files, frozenset({day}), archive, settings)
        outcome = detect_station_day(task, task.fetch()).outcome
        check_texts((outcome.reason, *outcome.remarks))
        assert outcome.status != "failed", outcome.reason
        assert (outcome.status in FAILURES) <= (path.name in outcome.reason), outcome.reason
        return outcome.status

    return detect


def check_names(name: str, text: str) -> None:
    assert name in text, f"{text!r} does not name the file"


def check_texts(texts) -> None:
    assert len(texts) <= MOST_REMARKS, f"{len(texts)} remarks"
    for text in texts:
        assert len(text) <= LONGEST_TEXT, f"a text of {len(text)} characters: {text[:200]}"
        assert text.isprintable(), repr(text)


def own_peak_mb() -> float:
    """Give this process's greatest memory; `getrusage` tells that of the one that started it, if it was more."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


WAYS = {"decode": by_decoding, "detect": by_detecting}


def run(files: int, *, seed: int, first: int, through: str, real: Path | None) -> dict:
    """Send so many files through, and sum up."""
    sources = damage.sound_sources() + (damage.real_sources(real) if real else [])
    ended: Counter[str] = Counter()
    problems, slowest = [], (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        step = WAYS[through](Path(folder))
        for item in damage.corpus(sources, files, seed, first):
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            began = time.perf_counter()
            try:
                ended[step(item)] += 1
            except BaseException as error:
                told = "".join(traceback.format_exception(error, chain=False, limit=-3))
                problems.append(f"{item.number} ({item.way}, {item.source.kind}): {told}")
            slowest = max(slowest, (time.perf_counter() - began, f"{item.number} {item.way} {item.source.kind}"))
    faulthandler.cancel_dump_traceback_later()
    guard().close()
    peaks = own_peak_mb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "files": files,
        "ended": dict(ended),
        "problems": problems,
        "slowest_s": round(slowest[0], 3),
        "slowest": slowest[1],
        "peak_mb": round(peaks[0]),
        "reader_peak_mb": round(peaks[1]),
    }


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file: to repeat one")
    parser.add_argument("--through", choices=WAYS, default="decode")
    parser.add_argument("--real", type=Path, help="an SDS tree of real recordings to damage as well")
    parser.add_argument("--memory-mb", type=int, help="address space that this process may use")
    chosen = parser.parse_args()
    if chosen.memory_mb:
        resource.setrlimit(resource.RLIMIT_AS, (chosen.memory_mb << 20, -1))
    summary = run(chosen.files, seed=chosen.seed, first=chosen.first, through=chosen.through, real=chosen.real)
    print(json.dumps(summary, indent=1))
    sys.exit(1 if summary["problems"] else 0)


if __name__ == "__main__":
    main()
