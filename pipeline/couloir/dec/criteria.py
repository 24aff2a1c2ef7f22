"""Hold the criteria of one number of clusters, as `couloir.dec.selection` computes them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Criteria:
    """Hold what speaks for and against a number of clusters.

    Attributes
    ----------
    clusters
        K.
    stability, stability_error
        Mean ARI of two clusterings learnt from halves without a common event, and its standard error.
        1: the same clusters each time; 0: no more alike than by chance.
    weakest, weakest_error
        Mean Jaccard index of the cluster that is found again worst, and its standard error; 1: always found.
    silhouette
        Mean silhouette, from -1 to 1; None where there is none.
    gap, gap_error
        Gap statistic, in natural logarithms, and s_K, the error of Tibshirani et al.'s rule.
    """

    clusters: int
    stability: float
    stability_error: float
    weakest: float
    weakest_error: float
    silhouette: float | None
    gap: float
    gap_error: float
