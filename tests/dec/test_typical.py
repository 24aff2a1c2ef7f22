"""Ratios to a cluster's typical member against closed forms."""

import numpy as np

from couloir.dec.clustering import ClusteringLayer
from couloir.dec.typical import distance_to_own, ratios_to_typical


def test_events_are_divided_by_what_is_typical_of_their_own_cluster():
    layer = ClusteringLayer(2)
    layer.build((None, 2))
    layer.centroids.assign([[0, 0], [10, 0]])
    layer.typical_distance.assign([2, 4])
    layer.typical_error.assign([0.5, 0.25])
    latent = np.array([[3, 4], [10, 1], [0, 0]], np.float32)
    cluster = np.array([0, 1, 0], np.int32)
    error = np.array([0.25, 0.25, 2.0], np.float32)
    ratios = ratios_to_typical(layer, latent, error, cluster)
    np.testing.assert_allclose(distance_to_own(layer, latent, cluster), [5, 1, 0])
    np.testing.assert_allclose(ratios.distance, [2.5, 0.25, 0])
    np.testing.assert_allclose(ratios.error, [0.5, 1, 4])
    np.testing.assert_allclose(ratios.larger, [2.5, 1, 4])
