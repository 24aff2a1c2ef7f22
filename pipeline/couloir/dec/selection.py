"""Compare numbers of clusters without labels, by what k-means does to latent vectors.

===============  ======================================  ==================================================
criterion        what it asks                            what it gets wrong
===============  ======================================  ==================================================
stability        do other events give the same clusters? two clusters are stable wherever one axis is long
weakest cluster  is every single cluster found again?    nothing, where clusters have no structure of their own
silhouette       are events nearer to their own cluster  prefers few, round, far clusters
                 than to the next?
gap              is the scatter less than of events      goes on rising where clusters have structure of
                 without clusters?                       their own
reconstruction   how much of a spectrogram is its        falls with every cluster: no choice by itself
                 cluster's?
===============  ======================================  ==================================================
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from couloir.dec.criteria import Criteria
from couloir.dec.kmeans import nearest, run_kmeans
from couloir.dec.seeds import make_generator

Vectors = NDArray[np.floating[Any]]

SAMPLES = 5000
"""Larger archives are judged by this many of their vectors, drawn once: criteria cost k-means by the hundred."""
SPLITS = 10
REFERENCES = 10
STARTS = 10
"""Starts of each k-means: more than one, lest bad starts pass for unstable clusters."""


def choose_sample(count: int, *, seed: int, samples: int = SAMPLES) -> NDArray[np.int64]:
    """Choose the events that the criteria are computed on: all of them where they are few."""
    if count <= samples:
        return np.arange(count, dtype=np.int64)
    return np.sort(make_generator(seed, "selection").choice(count, samples, replace=False)).astype(np.int64)


def judge(
    vectors: NDArray[np.float64],
    clusters: int,
    *,
    references: Sequence[NDArray[np.float64]],
    seed: int,
    splits: int = SPLITS,
    starts: int = STARTS,
    pause: Callable[[], None] = lambda: None,
) -> Criteria:
    """Compute the criteria of one number of clusters.

    Parameters
    ----------
    vectors
        Latent vectors (n, D), of the events that `choose_sample` gives.
    clusters
        K.
    references
        Vectors without clusters, as `draw_references` gives them; the same for every K.
    seed
        The run's seed.
    splits, starts
        Splits in halves, and starts of each k-means.
    pause
        Called between runs of k-means; what it raises ends the work.

    Raises
    ------
    ValueError
        When a half holds fewer than `clusters` vectors.
    """
    if len(vectors) // 2 < clusters:
        raise ValueError(f"{clusters} clusters need at least {2 * clusters} vectors; found {len(vectors)}")
    _, labels = run_kmeans(vectors, clusters, starts=starts, seed=seed)
    pairs = split_labels(vectors, clusters, splits=splits, starts=starts, seed=seed, pause=pause)
    stability = np.array([adjusted_rand_score(one, two) for one, two in pairs])
    found = np.array([[found_again(labels, half, clusters) for half in pair] for pair in pairs]).mean(axis=1)
    weakest = found[:, found.mean(axis=0).argmin()]
    gap, gap_error = gap_statistic(vectors, clusters, references=references, starts=starts, seed=seed, pause=pause)
    known = 2 <= len(np.unique(labels)) < len(labels)
    return Criteria(
        clusters=clusters,
        stability=float(stability.mean()),
        stability_error=_standard_error(stability),
        weakest=float(weakest.mean()),
        weakest_error=_standard_error(weakest),
        silhouette=float(silhouette_score(vectors, labels)) if known else None,
        gap=gap,
        gap_error=gap_error,
    )


def split_labels(
    vectors: NDArray[np.float64],
    clusters: int,
    *,
    splits: int,
    starts: int,
    seed: int,
    pause: Callable[[], None] = lambda: None,
) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Label all vectors by clusters learnt from either half of them, for several splits in halves.

    Two labellings of one split, compared by ARI, which is corrected for chance, tell how stable K clusters
    are. Source: Lange et al. (2004), Stability-based validation of clustering solutions, Neural Computation
    16, with ARI for its 0-1 loss, and the nearest centroid as the classifier that extends a half's clusters;
    Ben-Hur et al. (2002) compare overlapping subsamples instead. On their limits: von Luxburg (2010),
    Clustering stability: an overview.

    Parameters
    ----------
    vectors
        (n, D).
    clusters, splits, starts, seed, pause
        As for `judge`.

    Returns
    -------
    list of pairs of ndarray of int32, shape (n,)
    """
    generator = make_generator(seed, "halves")
    found = []
    for number in range(splits):
        order = generator.permutation(len(vectors))
        half = len(order) // 2
        one, two = (
            nearest(vectors, run_kmeans(vectors[part], clusters, starts=starts, seed=seed + 2 * number + side)[0])
            for side, part in enumerate((order[:half], order[half:]))
        )
        found.append((one, two))
        pause()
    return found


def found_again(reference: NDArray[np.int32], labels: NDArray[np.int32], clusters: int) -> NDArray[np.float64]:
    """Give how well each cluster of a reference is found again: its largest Jaccard index with any cluster.

    Source: Hennig (2007), Cluster-wise assessment of cluster stability, Computational Statistics & Data
    Analysis 52, 258-271.

    Parameters
    ----------
    reference, labels
        (n,), both from 0 to `clusters` - 1.
    clusters
        K.

    Returns
    -------
    ndarray of float64, shape (K,)
        From 0 to 1, shared members over members of either; 0 for a cluster without members.
    """
    both = np.zeros((clusters, clusters))
    np.add.at(both, (reference, labels), 1)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return np.asarray((both / np.maximum(either, 1)).max(axis=1))


def draw_references(vectors: NDArray[np.float64], count: int, *, seed: int) -> list[NDArray[np.float64]]:
    """Draw vectors without clusters: uniform in a box along the principal axes of the vectors.

    Source: Tibshirani et al. (2001), Estimating the number of clusters in a data set via the gap statistic,
    JRSS B 63, section 4, choice (b). Lengths are those that `gap_statistic` needs, so the box is not turned
    back: distances do not depend on it.
    """
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    along = centred @ axes.T
    generator = make_generator(seed, "reference")
    return [generator.uniform(along.min(axis=0), along.max(axis=0), along.shape) for _ in range(count)]


def gap_statistic(
    vectors: NDArray[np.float64],
    clusters: int,
    *,
    references: Sequence[NDArray[np.float64]],
    starts: int,
    seed: int,
    pause: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """Give the gap statistic and the error s_K of its rule (Tibshirani et al. 2001, equations 3 and 5).

    Parameters
    ----------
    vectors
        (n, D).
    references
        Vectors (n, D) without clusters.
    clusters, starts, seed, pause
        As for `judge`.

    Returns
    -------
    gap : float
        Mean of log W_K over the references, less log W_K of the vectors, W_K being the sum of squared
        distances to the centroids.
    error : float
        Standard deviation of log W_K over the references, times sqrt(1 + 1 / their number).
    """
    own = _log_scatter(vectors, clusters, starts=starts, seed=seed)
    expected = np.empty(len(references))
    for number, reference in enumerate(references):
        expected[number] = _log_scatter(reference, clusters, starts=starts, seed=seed)
        pause()
    return float(expected.mean() - own), float(expected.std() * np.sqrt(1 + 1 / len(references)))


def _log_scatter(vectors: NDArray[np.float64], clusters: int, *, starts: int, seed: int) -> float:
    kmeans = KMeans(n_clusters=clusters, n_init=starts, random_state=seed % 2**32)
    with threadpool_limits(limits=1):  # the same bytes, however many threads there are
        scatter = kmeans.fit(vectors).inertia_
    return float(np.log(max(scatter, np.finfo(np.float64).tiny)))


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
