"""Draw what became of the station-days: stations by days, or by weeks or months when there are many."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from couloir.identifiers import DAY_NS, day_of_ns, day_start_ns
from couloir.report.data import STATUSES, DayOutcome
from couloir.report.figures.canvas import Picture, blank, finish, place
from couloir.report.palette import STATUS_COLOURS
from couloir.report.timebins import TimeBins, time_bins

_WIDTH, _ROW = 760, 18
_NAMED_DAYS = 10
_GUTTER = 0.12  # share of a cell left white between rows and columns


def matrix(outcomes: Sequence[DayOutcome], name: str) -> tuple[str, Picture]:
    """Draw one row a station and one column a day, week or month, filled by the shares of the outcomes.

    Parameters
    ----------
    outcomes
        At least one.
    name
        The figure's name, unique on the page.

    Returns
    -------
    tuple
        What a column is (``day``, ``week`` or ``month``) and the picture.
    """
    stations = sorted({outcome.station for outcome in outcomes})
    bins = _columns(outcomes)
    shares = _shares(outcomes, stations, bins)
    left = 12 + 6 * max(len(station) for station in stations)
    figure = blank(_WIDTH, 34 + _ROW * len(stations))
    axes = place(figure, left, 30, 30, 4)
    edges = date2num(bins.edges_ns.astype("datetime64[ns]"))
    for status, cells in zip(STATUSES, _cells(shares, edges), strict=True):
        if cells:
            axes.add_patch(
                PathPatch(Path.make_compound_path(*cells), facecolor=STATUS_COLOURS[status], linewidth=0)
            )
    axes.set(xlim=(edges[0], edges[-1]), ylim=(len(stations), 0))
    axes.set_yticks(np.arange(len(stations)) + 0.5, stations)
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    _label_columns(axes, bins, edges)
    alt = f"Outcomes of {len(outcomes):,} station-days: {len(stations)} stations by {bins.unit}"
    return bins.unit, finish(figure, name, alt=alt)


def _label_columns(axes: Axes, bins: TimeBins, edges: NDArray[np.float64]) -> None:
    """Name each day below its column; where there are many columns, mark dates along them."""
    if bins.unit == "day" and len(edges) <= _NAMED_DAYS + 1:
        days = (day_of_ns(int(edge)) for edge in bins.edges_ns[:-1])
        axes.set_xticks((edges[:-1] + edges[1:]) / 2, [f"{day:%b %d}" for day in days])
        return
    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _columns(outcomes: Iterable[DayOutcome]) -> TimeBins:
    """Choose columns that are never finer than a day."""
    days = [outcome.day for outcome in outcomes]
    first, last = day_start_ns(min(days)), day_start_ns(max(days))
    bins = time_bins(first, last)
    if bins.unit in ("day", "week", "month"):
        return bins
    return TimeBins("day", np.arange(first, last + 2 * DAY_NS, DAY_NS, dtype=np.int64))


def _shares(outcomes: Sequence[DayOutcome], stations: Sequence[str], bins: TimeBins) -> NDArray[np.float64]:
    """Give the (stations, columns, statuses) share of each column's planned station-days."""
    counts = np.zeros((len(stations), len(bins.edges_ns) - 1, len(STATUSES)))
    rows = {station: row for row, station in enumerate(stations)}
    starts = np.array([day_start_ns(outcome.day) for outcome in outcomes])
    columns = np.searchsorted(bins.edges_ns, starts, side="right") - 1
    for outcome, column in zip(outcomes, columns, strict=True):
        counts[rows[outcome.station], column, STATUSES.index(outcome.status)] += 1
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    return shares


def _cells(shares: NDArray[np.float64], edges: NDArray[np.float64]) -> list[list[Path]]:
    """Make each status's rectangles: a cell is filled from its top, the best outcome first."""
    tops = np.cumsum(shares, axis=2) - shares
    boxes: list[list[Path]] = [[] for _ in STATUSES]
    for row, column, status in np.argwhere(shares > 0):
        start, end = edges[column], edges[column + 1]
        height = 1 - _GUTTER
        top = row + _GUTTER / 2 + height * tops[row, column, status]
        bottom = top + height * shares[row, column, status]
        right = end - _GUTTER * (end - start)
        corners = [(start, top), (right, top), (right, bottom), (start, bottom), (start, top)]
        boxes[status].append(Path(corners, closed=True))
    return boxes
