"""Draw how clusters merge: a tree from the clusters on the left to all events on the right."""

from collections.abc import Mapping, Sequence

from matplotlib.ticker import FuncFormatter

from couloir.report.data import ClusterView, MergeView
from couloir.report.figures.canvas import Picture, blank, finish, place
from couloir.report.palette import INK, MUTED_INK, UNASSIGNED

_WIDTH, _ROW = 620, 24
_BOTTOM, _RIGHT, _TOP = 40, 16, 8
_MARK, _LETTER = 28, 5.5
"""Room left of the axis for a leaf's mark, and for each letter of its name, CSS pixels."""
_LONGEST = 20
"""Letters of a class that have room."""


def merge_tree(
    merges: Sequence[MergeView],
    leaves: Sequence[int],
    views: Sequence[ClusterView],
    colours: Mapping[int, str],
    *,
    name: str,
) -> Picture:
    """Draw a tree of clusters; where two lines meet stands how much of the events' scatter is lost by then.

    Parameters
    ----------
    merges
        Nearest first.
    leaves
        Cluster ids, top to bottom, so that no lines cross.
    views, colours
        Of the clusters.
    name
        Unique on the page.
    """
    figure = blank(_WIDTH, _TOP + _BOTTOM + _ROW * len(leaves))
    known = {view.cluster: view for view in views}
    labels = [_label(leaf, known.get(leaf)) for leaf in leaves]
    axes = place(figure, _MARK + _LETTER * max(map(len, labels), default=0), _BOTTOM, _RIGHT, _TOP)
    at: dict[int, tuple[float, float]] = {leaf: (0.0, float(row)) for row, leaf in enumerate(leaves)}
    for merge in merges:
        (left_x, left_y), (right_x, right_y) = at[merge.left], at[merge.right]
        height = 100 * merge.height
        axes.plot(
            [left_x, height, height, right_x], [left_y, left_y, right_y, right_y], color=MUTED_INK, linewidth=1.3
        )
        at[merge.node] = (height, (left_y + right_y) / 2)
    for row, leaf in enumerate(leaves):
        axes.plot([0], [row], "s", color=colours.get(leaf, UNASSIGNED), markersize=9, clip_on=False, zorder=5)
    furthest = 100 * max((merge.height for merge in merges), default=0.01)
    axes.set_xlim(0, furthest * 1.06)
    axes.set_ylim(len(leaves) - 0.4, -0.6)
    axes.set_yticks(range(len(leaves)), labels)
    axes.tick_params(axis="y", length=0, pad=10, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.set_xlabel("share of the events' scatter in the latent space that is lost by merging")
    axes.grid(axis="x")
    return finish(figure, name, alt=_alt(merges))


def _label(cluster: int, view: ClusterView | None) -> str:
    if view is None:
        return f"{cluster}"
    named = view.majority_class or ""
    shown = named if len(named) <= _LONGEST else f"{named[: _LONGEST - 1]}…"
    return f"{shown + ' · ' if shown else ''}{cluster} ({view.events:,})"


def _alt(merges: Sequence[MergeView]) -> str:
    told = [f"{merge.left} and {merge.right} at {100 * merge.height:.1f} %" for merge in merges[:3]]
    return f"Tree of {len(merges) + 1} clusters; the first to merge are {', then '.join(told)}"
