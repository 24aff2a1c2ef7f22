"""Time two or more ways of doing the same in turns, so that a machine's mood falls on all of them."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


def use_one_core() -> None:
    """Keep this process on one core and its libraries on one thread; call it before NumPy is loaded."""
    os.environ.update(ONE_THREAD)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def in_turns(ways: Mapping[str, Callable[[], Any]], *, rounds: int = 5) -> dict[str, list[float]]:
    """Run each way once to warm up, then all of them in turns; give wall seconds by way."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def show(seconds: Mapping[str, list[float]], *, unit: str = "ms", scale: float = 1e3) -> None:
    """Print least, median and greatest of each way."""
    width = max(map(len, seconds))
    print(f"{'':{width}}  {'least':>9} {'median':>9} {'greatest':>9}  {unit}")
    for name, values in seconds.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:{width}}  {low * scale:9.1f} {middle * scale:9.1f} {high * scale:9.1f}")


def ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Give the median of the ratios, round by round."""
    return statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))
