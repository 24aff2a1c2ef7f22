"""Draw how training went: one small curve for each thing that the log follows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from couloir.report.figures.canvas import Picture, blank, finish, place
from couloir.report.palette import ACCENT, MUTED_INK

_WIDTH, _HEIGHT = 250, 160
_PANELS = (
    ("pretrain", "loss", "Pre-training loss"),
    ("cluster", "reconstruction", "Clustering: reconstruction error (MSE)"),
    ("cluster", "kl", "Clustering: KL divergence"),
    ("cluster", "changed", "Clustering: labels changed, %"),
)


def curves(training: Mapping[str, NDArray[Any]], *, tolerance: float | None) -> tuple[tuple[str, Picture], ...]:
    """Draw the log's curves that have at least two values, each with its heading.

    Parameters
    ----------
    training
        The log by column, see :class:`couloir.report.data.ReportData`.
    tolerance
        The share of changed labels at which clustering stops, drawn as a line; None for no line.
    """
    drawn = []
    for phase, column, heading in _PANELS:
        steps, values = _series(training, phase, column)
        if len(values) >= 2:
            limit = tolerance if column == "changed" else None
            drawn.append((heading, _curve(steps, values, column, heading=heading, limit=limit)))
    return tuple(drawn)


def _series(
    training: Mapping[str, NDArray[Any]], phase: str, column: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take a phase's steps and finite values of one column."""
    if not {"phase", "step", column} <= set(training):
        return np.empty(0), np.empty(0)
    steps = np.asarray(training["step"], dtype=np.float64)
    values = np.asarray(training[column], dtype=np.float64)
    chosen = (np.asarray(training["phase"]).astype(str) == phase) & np.isfinite(values) & np.isfinite(steps)
    return steps[chosen], values[chosen]


def _curve(
    steps: NDArray[np.float64], values: NDArray[np.float64], column: str, *, heading: str, limit: float | None
) -> Picture:
    """Draw one column against the step; losses that fall a lot, and changes, on a log axis."""
    figure = blank(_WIDTH, _HEIGHT)
    axes = place(figure, 46, 36, 10, 8)
    percent = 100.0 if column == "changed" else 1.0
    heights = values * percent
    positive = heights[heights > 0]
    if len(positive) and (column == "changed" or positive.max() > 5 * positive.min()):
        floor = positive.min() / 2 if len(positive) < len(heights) else positive.min()
        heights = np.maximum(heights, floor)  # none changed: has no place on a log axis, so the lowest one
        axes.set_yscale("log")
        wide = heights.max() > 50 * heights.min()
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="y", which="minor", length=0)
    axes.plot(steps, heights, color=ACCENT, linewidth=1.4, marker="." if len(steps) < 40 else "", markersize=4)
    if limit:
        axes.axhline(limit * percent, color=MUTED_INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xlabel("step")
    axes.grid(axis="y")
    unit = " %" if column == "changed" else ""
    first, last = (f"{value * percent:.3g}{unit}" for value in values[[0, -1]])
    alt = f"{heading}: from {first} at the start to {last} at the end"
    return finish(figure, f"training-{column}", alt=alt)
