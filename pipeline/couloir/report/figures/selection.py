"""Draw the comparison of numbers of clusters: one small curve a criterion, over the same axis."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from couloir.report.figures.canvas import blank, place, report_style
from couloir.report.palette import ACCENT, INK, MUTED_INK

_WIDTH, _HEIGHT, _COLUMNS = 330, 210, 2
_LEFT, _BOTTOM, _RIGHT, _TOP = 52, 38, 14, 28
_DPI = 144


@dataclass(frozen=True)
class Curve:
    """Hold one criterion: its name, its values, None where it has none, and their standard errors."""

    name: str
    values: Sequence[float | None]
    errors: Sequence[float] | None = None


def draw_selection(clusters: Sequence[int], curves: Sequence[Curve], *, recommended: int) -> bytes:
    """Draw curves over the number of clusters, with the recommended one marked, as PNG.

    Parameters
    ----------
    clusters
        K, rising.
    curves
        Criteria, each with a value a K.
    recommended
        The K to mark.

    Returns
    -------
    bytes
        The same for the same values.
    """
    rows = -(-len(curves) // _COLUMNS)
    width, height = _COLUMNS * _WIDTH, rows * _HEIGHT
    with report_style():
        figure = blank(width, height)
        for number, curve in enumerate(curves):
            row, column = divmod(number, _COLUMNS)
            left, bottom = column * _WIDTH, (rows - 1 - row) * _HEIGHT
            axes = place(
                figure,
                left + _LEFT,
                bottom + _BOTTOM,
                width - left - _WIDTH + _RIGHT,
                height - bottom - _HEIGHT + _TOP,
            )
            values = np.array([np.nan if value is None else value for value in curve.values], np.float64)
            axes.axvline(recommended, color=MUTED_INK, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.errorbar(
                clusters, values, yerr=curve.errors, color=ACCENT, linewidth=1.4, marker="o", markersize=3.5
            )
            axes.plot(
                [recommended], values[[list(clusters).index(recommended)]], "o", color=INK, markersize=6, zorder=5
            )
            axes.set_title(curve.name, loc="left", fontsize=10.5, color=INK)
            axes.set_xlabel(f"clusters ({recommended} recommended)")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
