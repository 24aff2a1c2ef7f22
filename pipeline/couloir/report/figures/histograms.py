"""Draw when events happened: by hour of day and by date, for one cluster or stacked for all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from couloir.kernels.hours import hour_counts
from couloir.report.figures.canvas import Picture, blank, finish, place
from couloir.report.timebins import TimeBins

_WIDTH, _HEIGHT = 420, 170
_MARGINS = (44, 36, 30, 8)

Layer = tuple[NDArray[np.integer[Any]], str]
"""Onsets (ns) of some events and the colour they are drawn in."""


def by_hour(layers: Sequence[Layer], name: str, *, alt: str) -> Picture:
    """Draw events by UTC hour of day, the layers stacked on each other."""
    figure = blank(_WIDTH, _HEIGHT)
    axes = place(figure, *_MARGINS)
    _stack(axes, [(hour_counts(onsets), colour) for onsets, colour in layers], np.arange(25.0))
    axes.set(xlim=(0, 24), xlabel="hour of day (UTC)", ylabel="events")
    axes.set_xticks(range(0, 25, 3))
    return finish(figure, name, alt=alt)


def by_date(layers: Sequence[Layer], bins: TimeBins, name: str, *, alt: str) -> Picture:
    """Draw events along the run's period, the layers stacked on each other."""
    figure = blank(_WIDTH, _HEIGHT)
    axes = place(figure, *_MARGINS)
    edges = date2num(bins.edges_ns.astype("datetime64[ns]"))
    _stack(axes, [(bins.count(onsets), colour) for onsets, colour in layers], edges)
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set(xlim=(edges[0], edges[-1]), ylabel=f"events per {bins.unit}")
    axes.set_xlabel("date (UTC)")
    return finish(figure, name, alt=alt)


def _stack(axes: Axes, layers: Sequence[tuple[NDArray[np.int64], str]], edges: NDArray[np.float64]) -> None:
    below = np.zeros(len(edges) - 1, dtype=np.int64)
    for counts, colour in layers:
        axes.stairs(below + counts, edges, baseline=below, fill=True, color=colour, linewidth=0)
        below = below + counts
    axes.set_ylim(0, max(1, 1.05 * below.max()))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
