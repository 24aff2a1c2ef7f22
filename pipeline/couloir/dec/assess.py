"""Score clusters against classes.

Four different numbers, all on raw cluster ids, always to be shown together:

===================  =====================================  =====================================
score                what it asks                           what it forgives
===================  =====================================  =====================================
purity               does each cluster hold one class?      many clusters for one class: one
                                                            sample a cluster scores 1
Hungarian accuracy   is there one cluster for each class?   nothing: a class in two clusters loses
                                                            the smaller
NMI                  how much do clusters tell of classes,  splitting, in part; random labels score
                     as a share of both entropies?          above 0
ARI                  are pairs together in both?            nothing; random labels score 0
===================  =====================================  =====================================

A class is a string or a number; samples whose class is None, NaN or an empty string are unlabelled and
left out of every score.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from couloir.dec.baselines import pca_kmeans

__all__ = [
    "Contingency",
    "MajorityClass",
    "Scores",
    "contingency",
    "hungarian_accuracy",
    "majority_classes",
    "pca_kmeans",
    "purity",
    "score_clusters",
]


@dataclass(frozen=True)
class Contingency:
    """Count samples by class and cluster.

    Attributes
    ----------
    classes
        Classes in sorted order, one a row.
    clusters
        Cluster ids in sorted order, one a column.
    counts
        (classes, clusters) int64.
    """

    classes: tuple[Any, ...]
    clusters: tuple[int, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Hold the scores of a clustering over its labelled samples; NaN where there are none.

    Attributes
    ----------
    purity, nmi, ari, hungarian_accuracy
        See the module's table.
    n
        Labelled samples.
    """

    purity: float
    nmi: float
    ari: float
    hungarian_accuracy: float
    n: int


class MajorityClass(NamedTuple):
    """Name the most frequent class among a cluster's labelled samples.

    Attributes
    ----------
    cluster
        Cluster id.
    name
        The class; None when no sample of the cluster is labelled.
    purity
        Share of the labelled samples that have it; NaN when there are none.
    n_labelled
        Labelled samples of the cluster.
    """

    cluster: int
    name: Any
    purity: float
    n_labelled: int


def contingency(classes: ArrayLike | Sequence[Any], clusters: ArrayLike) -> Contingency:
    """Count labelled samples by class and cluster.

    Parameters
    ----------
    classes
        (N,) classes, some of which may be missing.
    clusters
        (N,) cluster ids.
    """
    names, ids = _labelled(classes, clusters)
    if not len(ids):
        return Contingency((), (), np.zeros((0, 0), np.int64))
    counts = contingency_matrix(names, ids).astype(np.int64)
    return Contingency(tuple(np.unique(names).tolist()), tuple(np.unique(ids).tolist()), counts)


def purity(classes: ArrayLike | Sequence[Any], clusters: ArrayLike) -> float:
    """Give the share of samples that are of their cluster's most frequent class.

    It never falls when a cluster is split, so it must not be used to compare numbers of clusters.
    """
    counts = contingency(classes, clusters).counts
    return float(counts.max(axis=0).sum() / counts.sum()) if counts.size else math.nan


def hungarian_accuracy(classes: ArrayLike | Sequence[Any], clusters: ArrayLike) -> float:
    """Give the share of samples on the best one-to-one matching of clusters and classes.

    This is the accuracy of the deep-clustering literature (Xie et al. 2016, eq. 10). With more
    clusters than classes, those left unmatched count as wrong.
    """
    counts = contingency(classes, clusters).counts
    if not counts.size:
        return math.nan
    matched = counts[linear_sum_assignment(counts, maximize=True)]
    return float(matched.sum() / counts.sum())


def score_clusters(classes: ArrayLike | Sequence[Any], clusters: ArrayLike) -> Scores:
    """Score raw cluster ids against classes.

    Parameters
    ----------
    classes
        (N,) classes, some of which may be missing.
    clusters
        (N,) cluster ids.

    Returns
    -------
    Scores
        NMI is normalised by the arithmetic mean of the two entropies.
    """
    names, ids = _labelled(classes, clusters)
    if not len(ids):
        return Scores(math.nan, math.nan, math.nan, math.nan, n=0)
    return Scores(
        purity=purity(names, ids),
        nmi=float(normalized_mutual_info_score(names, ids)),
        ari=float(adjusted_rand_score(names, ids)),
        hungarian_accuracy=hungarian_accuracy(names, ids),
        n=len(ids),
    )


def majority_classes(
    classes: ArrayLike | Sequence[Any], clusters: ArrayLike, n_clusters: int
) -> list[MajorityClass]:
    """Name the most frequent class of each cluster; of equally frequent ones the first in sorted order.

    Parameters
    ----------
    classes
        (N,) classes, some of which may be missing.
    clusters
        (N,) cluster ids from 0 to ``n_clusters`` - 1.
    n_clusters
        Number of clusters, those without samples included.
    """
    table = contingency(classes, clusters)
    columns = dict(zip(table.clusters, table.counts.T, strict=True))
    return [_name_majority(cluster, columns.get(cluster), table.classes) for cluster in range(n_clusters)]


def _name_majority(cluster: int, counts: NDArray[np.int64] | None, classes: tuple[Any, ...]) -> MajorityClass:
    if counts is None:
        return MajorityClass(cluster, None, math.nan, 0)
    total = int(counts.sum())
    return MajorityClass(cluster, classes[int(counts.argmax())], float(counts.max() / total), total)


def _labelled(classes: ArrayLike | Sequence[Any], clusters: ArrayLike) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Keep the samples that have a class."""
    names, ids = np.asarray(classes, dtype=object), np.asarray(clusters, dtype=np.int64)
    if names.shape != ids.shape or ids.ndim != 1:
        raise ValueError(f"one class for each cluster id is needed; found {names.shape} and {ids.shape}")
    known = np.array([name is not None and name == name and name != "" for name in names], dtype=bool)
    return np.array(names[known].tolist()), ids[known]
