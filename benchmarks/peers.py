"""Cluster by other means than Couloir's networks, each in a process of its own: PCA, mixtures, ClustPy.

    peers.py DATA.npz METHOD SEED CLUSTERS LABELS.npy

It prints nothing but why a method cannot run, and then ends with code 3.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

COMPONENTS = 50
MISSING = 3


def pca_kmeans(samples: np.ndarray, seed: int, clusters: int) -> np.ndarray:
    """Label by k-means on principal components."""
    from sklearn.cluster import KMeans

    return KMeans(clusters, n_init=20, random_state=seed).fit_predict(_components(samples, seed))


def gmm(samples: np.ndarray, seed: int, clusters: int) -> np.ndarray:
    """Label by a mixture of Gaussians with full covariances on principal components."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(clusters, n_init=3, reg_covar=1e-3, random_state=seed)
    return mixture.fit_predict(_components(samples, seed))


def _components(samples: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    flat = samples.reshape(len(samples), -1).astype(np.float32)
    return PCA(min(COMPONENTS, *flat.shape), random_state=seed).fit_transform(flat)


def clustpy(name: str) -> Callable[[np.ndarray, int, int], np.ndarray]:
    """Give the label function of ClustPy's class of that name, with the settings of its authors."""

    def label(samples: np.ndarray, seed: int, clusters: int) -> np.ndarray:
        import clustpy.deep as deep

        model = getattr(deep, name)(clusters, embedding_size=10, random_state=seed)
        return model.fit(samples.reshape(len(samples), -1).astype(np.float32)).labels_

    return label


METHODS = {"pca+k-means": pca_kmeans, "gmm": gmm, "clustpy dec": clustpy("DEC"), "clustpy idec": clustpy("IDEC")}


def main() -> None:
    """Write the labels of one clustering."""
    data, method, seed, clusters, labels = sys.argv[1:]
    with np.load(data) as file:
        samples = file["samples"]
    try:
        found = METHODS[method](samples, int(seed), int(clusters))
    except ImportError as error:
        print(error)
        raise SystemExit(MISSING) from None
    np.save(Path(labels), np.asarray(found, np.int32))


if __name__ == "__main__":
    main()
