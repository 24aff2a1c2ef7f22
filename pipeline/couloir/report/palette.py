"""Choose the report's colours: one for each cluster, wherever it appears, and one for each outcome."""

from collections.abc import Iterable, Mapping

from matplotlib.colors import to_hex, to_rgb

INK = "#1b2733"
MUTED_INK = "#55616d"
LINE = "#d5dbe1"
ACCENT = "#1f5f99"
UNASSIGNED = "#c9cfd5"

# Ten categorical colours that stay apart under colour vision deficiency: Petroff (2021), arXiv:2107.02270;
# here the cyan is deeper, to show on white, and the greys stand last, since grey also means unassigned.
BASE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#832db6",
    "#a96b59",
    "#5cc0c7",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#94a4a2",
)
_SHADES = (("#000000", 0.0), ("#000000", 0.4), ("#ffffff", 0.45), ("#000000", 0.65))

STATUS_COLOURS: Mapping[str, str] = {
    "ok": "#8fbfe0",
    "empty": "#d9dee3",
    "flat": "#c7b35a",
    "too_gappy": "#ffa90e",
    "unreadable": "#d1495b",
    "failed": "#6a1b3a",
}
STATUS_WORDS: Mapping[str, str] = {
    "ok": "ok",
    "empty": "no data",
    "flat": "flat",
    "too_gappy": "too gappy",
    "unreadable": "unreadable",
    "failed": "failed",
}


def cluster_colours(clusters: Iterable[int]) -> dict[int, str]:
    """Give each cluster id its colour, the most distinct ones to those that come first.

    The first ten take the base colours, the next ten a darker shade of them, then a lighter one, then a very
    dark one; beyond forty the colours repeat.
    """
    return {cluster: _colour(rank) for rank, cluster in enumerate(clusters)}


def _colour(rank: int) -> str:
    towards, amount = _SHADES[(rank // len(BASE)) % len(_SHADES)]
    pairs = zip(to_rgb(BASE[rank % len(BASE)]), to_rgb(towards), strict=True)
    return str(to_hex([(1 - amount) * own + amount * other for own, other in pairs]))
