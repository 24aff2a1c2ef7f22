"""Recommend a number of clusters from criteria, and say why in one sentence."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from couloir.dec.criteria import Criteria

FOUND = 0.85
"""Mean Jaccard index from which Hennig (2007) calls a cluster highly stable."""


@dataclass(frozen=True)
class Recommendation:
    """Hold the recommended number of clusters, why, and what the gap statistic's own rule would take.

    Attributes
    ----------
    gap_choice
        The least K whose gap is at least that of K + 1 less its error (Tibshirani et al. 2001); None when
        the gap rises to the end.
    """

    clusters: int
    reason: str
    gap_choice: int | None


def recommend(rows: Sequence[Criteria]) -> Recommendation:
    """Recommend the largest number of clusters every one of which is found again from half of the events.

    The weakest cluster's mean Jaccard index, less its standard error, must reach 0.85.

    Mean stability alone falls for small numbers, since two halves agree on a long axis, and hardly tells one
    cluster split by chance from none: its weakest cluster does. Silhouette and gap are told and decide
    nothing: the one prefers few clusters, the other rises as long as clusters have structure of their own.

    Parameters
    ----------
    rows
        Criteria of each K, rising.

    Returns
    -------
    Recommendation
        Where no K has all its clusters found again, the one whose weakest cluster is found best.
    """
    gap = choose_by_gap(rows)
    sound = [row for row in rows if _assured(row) >= FOUND]
    if not sound:
        best = max(rows, key=lambda row: row.weakest)
        reason = (
            f"{best.clusters} clusters, as a guess: with no number of clusters are all found again from half of "
            f"the events; with {best.clusters} the weakest is found best ({_jaccard(best)})."
        )
        return Recommendation(best.clusters, reason, gap)
    chosen = sound[-1]
    reason = (
        f"{chosen.clusters} clusters: the most of which every one is found again from half of the events "
        f"(the weakest with {_jaccard(chosen)}; all together with ARI {chosen.stability:.2f}){_others(rows, gap)}."
    )
    if chosen is rows[-1]:
        reason += " More may be found again, too: compare further."
    elif chosen is rows[0]:
        reason += (
            " It is the least that was compared: coarse groups are found again more easily than the classes "
            "within them, so look at larger numbers, too."
        )
    return Recommendation(chosen.clusters, reason, gap)


def choose_by_gap(rows: Sequence[Criteria]) -> int | None:
    """Choose by the gap statistic's rule of one standard error; None when no K fulfils it."""
    for row, after in itertools.pairwise(rows):
        if row.gap >= after.gap - after.gap_error:
            return row.clusters
    return None


def _assured(row: Criteria) -> float:
    return row.weakest - row.weakest_error


def _jaccard(row: Criteria) -> str:
    """Say what the weakest cluster comes to; rounded down, so that nothing short of the bound reads as it."""
    assured = math.floor(_assured(row) * 1000) / 1000
    return (
        f"Jaccard {row.weakest:.2f} ± {row.weakest_error:.2f}; less its standard error {assured:.3f}, of which at "
        f"least {FOUND:g} is asked for"
    )


def _others(rows: Sequence[Criteria], gap: int | None) -> str:
    known = [row for row in rows if row.silhouette is not None]
    told = [f"the gap would take {gap}" if gap else "the gap rises to the end"]
    if known:
        told.insert(0, f"the silhouette would take {max(known, key=_silhouette).clusters}")
    return "; " + ", ".join(told)


def _silhouette(row: Criteria) -> float:
    return -1.0 if row.silhouette is None else row.silhouette
