"""Keep in a model what its clusters' typical members look like, for novelty to be measured against."""

import numpy as np
from numpy.typing import NDArray

from couloir.dec.assign import Assignment
from couloir.dec.backend import keras
from couloir.dec.clustering import CLUSTERING
from couloir.dec.typical import distance_to_own

LEAST = 1e-6
"""No median is taken to be smaller: a cluster of identical members would make everything infinitely new."""


def keep_reference(model: keras.Model, assignment: Assignment) -> None:
    """Put each cluster's median latent distance and median reconstruction error into the model.

    A cluster without members gets the medians of all samples.

    Parameters
    ----------
    model
        The model, changed in place.
    assignment
        What the model says of the samples it was trained on.
    """
    layer = model.get_layer(CLUSTERING)
    distance = distance_to_own(layer, assignment.latent, assignment.cluster)
    for weight, values in (
        (layer.typical_distance, distance),
        (layer.typical_error, assignment.reconstruction_error),
    ):
        weight.assign(median_by_cluster(values, assignment.cluster, layer.clusters))


def median_by_cluster(
    values: NDArray[np.float32], cluster: NDArray[np.int32], clusters: int
) -> NDArray[np.float32]:
    """Give the median (K,) of the values (N,) of each cluster's members."""
    members = (values[cluster == number] for number in range(clusters))
    medians = [np.median(own if own.size else values) for own in members]
    return np.maximum(medians, LEAST).astype(np.float32)
