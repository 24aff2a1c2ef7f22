"""Compare events with the typical members of their clusters, as training left them in the clustering layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from couloir.dec.clustering import ClusteringLayer


@dataclass(frozen=True)
class Ratios:
    """Hold what each of N events is against the median member of its cluster at training; 1 is typical.

    Attributes
    ----------
    distance
        Latent distance to the centroid, (N,).
    error
        Mean squared reconstruction error, (N,).
    """

    distance: NDArray[np.float32]
    error: NDArray[np.float32]

    @property
    def larger(self) -> NDArray[np.float32]:
        """The larger of both, (N,): about 1 is typical, several times that is unlike anything seen."""
        return np.maximum(self.distance, self.error)


def ratios_to_typical(
    layer: ClusteringLayer, latent: NDArray[np.float32], error: NDArray[np.float32], cluster: NDArray[np.int32]
) -> Ratios:
    """Divide the distances and errors of N events by their clusters' typical ones.

    Parameters
    ----------
    layer
        Holds the centroids, typical distances and typical errors.
    latent, error, cluster
        Latent vectors (N, D), mean squared reconstruction errors (N,) and clusters (N,).
    """
    typical_distance, typical_error = (
        weight.numpy()[cluster] for weight in (layer.typical_distance, layer.typical_error)
    )
    return Ratios(distance_to_own(layer, latent, cluster) / typical_distance, error / typical_error)


def distance_to_own(
    layer: ClusteringLayer, latent: NDArray[np.float32], cluster: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Give the distance (N,) of latent vectors (N, D) to the centroids of their clusters (N,)."""
    centroids = layer.centroids.numpy()
    return np.asarray(np.linalg.norm(latent - centroids[cluster], axis=1))
