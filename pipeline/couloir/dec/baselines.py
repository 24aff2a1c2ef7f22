"""Cluster spectrograms without a network, as a baseline: principal components and k-means."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA, IncrementalPCA

from couloir.dec.kmeans import run_kmeans
from couloir.dec.samples import Samples, read_batch
from couloir.dec.seeds import derive_seed

IN_MEMORY_BYTES = 1_000_000_000
"""Samples that take more than this as float32 are decomposed batch by batch."""

BATCH = 256
"""Samples of such a batch, at least."""

KMEANS_STARTS = 20


def pca_kmeans(samples: Samples, *, components: int, clusters: int, seed: int) -> NDArray[np.int32]:
    """Label spectrograms by k-means on their principal components.

    Parameters
    ----------
    samples
        Spectrograms (N, F, T, C), flattened here.
    components
        Principal components kept; fewer when there are not as many samples.
    clusters
        Number of clusters.
    seed
        The run's seed.

    Returns
    -------
    ndarray
        Labels (N,) int32.
    """
    count = len(samples)
    components = min(components, count)
    if 4 * int(np.prod(samples.shape)) <= IN_MEMORY_BYTES:
        pca = PCA(components, svd_solver="randomized", random_state=derive_seed(seed, "PCA"))
        vectors = pca.fit_transform(_read_flat(samples, np.arange(count)))
    else:
        vectors = _project_in_batches(samples, components)
    return run_kmeans(vectors, clusters, starts=KMEANS_STARTS, seed=seed)[1]


def _project_in_batches(samples: Samples, components: int) -> NDArray[np.float32]:
    pca = IncrementalPCA(components)
    # Each batch must hold at least as many samples as there are components, the last one too.
    batches = np.array_split(np.arange(len(samples)), max(1, len(samples) // max(BATCH, components)))
    for indices in batches:
        pca.partial_fit(_read_flat(samples, indices))
    return np.concatenate([pca.transform(_read_flat(samples, indices)) for indices in batches])


def _read_flat(samples: Samples, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    return read_batch(samples, indices).reshape(len(indices), -1)
