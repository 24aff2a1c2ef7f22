"""Run k-means so that the same seed gives the same bytes, however many threads there are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from couloir.dec.seeds import derive_seed


def run_kmeans(
    vectors: NDArray[np.floating[Any]], clusters: int, *, starts: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Cluster vectors by k-means, the best of several starts.

    Parameters
    ----------
    vectors
        (N, D); computed in float64.
    clusters
        Number of clusters, K.
    starts
        Starts of k-means++; the one of least inertia is kept.
    seed
        The run's seed.

    Returns
    -------
    centroids, labels
        (K, D) float32 and (N,) int32.
    """
    kmeans = KMeans(n_clusters=clusters, n_init=starts, random_state=derive_seed(seed, "k-means"))
    # Threads would add their partial sums in the order they finish: not the same bytes each time.
    with threadpool_limits(limits=1):
        kmeans.fit(vectors.astype(np.float64))
    return kmeans.cluster_centers_.astype(np.float32), kmeans.labels_.astype(np.int32)


def nearest(vectors: NDArray[np.floating[Any]], centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """Give the number (N,) of the centroid (K, D) that each vector (N, D) is nearest to."""
    return np.asarray(pairwise_distances_argmin(vectors, centroids), np.int32)
