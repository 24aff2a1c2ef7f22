"""Centres of an autoencoder's latent space against scikit-learn's k-means on the network's own vectors."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from couloir.dec.backend import keras
from couloir.dec.centroids import begin_clustering, find_centroids
from couloir.dec.clustering import CLUSTERING
from couloir.dec.networks import LATENT, build_autoencoder, encoder_of
from couloir.dec.predict import predict
from couloir.errors import TrainingError


@pytest.fixture(scope="module")
def autoencoder(samples, settings):
    network = build_autoencoder(samples.shape[1:], settings)
    rng = np.random.default_rng(2)
    network.set_weights([rng.normal(0, 0.2, weight.shape) for weight in network.get_weights()])
    return network


def test_centres_are_those_of_k_means_on_the_latent_vectors(autoencoder, samples, settings):
    encoder = keras.Model(autoencoder.inputs[0], autoencoder.get_layer(LATENT).output)
    latent = encoder.predict_on_batch(samples.astype(np.float32))
    expected = KMeans(settings.clusters, n_init=50, random_state=0).fit(latent).cluster_centers_
    found = find_centroids(autoencoder, samples, settings.model_copy(update={"kmeans_starts": 50}))
    assert found.shape == (settings.clusters, settings.latent)
    order = [rows[np.lexsort(rows.T.round(3))] for rows in (found, expected)]
    np.testing.assert_allclose(*order, rtol=1e-3, atol=1e-4)


def test_the_number_of_clusters_and_the_seed_are_the_settings(autoencoder, samples, settings):
    five = settings.model_copy(update={"clusters": 5, "kmeans_starts": 1})
    assert len(find_centroids(autoencoder, samples, five)) == 5
    np.testing.assert_array_equal(
        find_centroids(autoencoder, samples, five), find_centroids(autoencoder, samples, five)
    )
    others = [find_centroids(autoencoder, samples, five.model_copy(update={"seed": s})) for s in range(5)]
    assert any(not np.array_equal(others[0], other) for other in others[1:])


def test_too_few_events_are_refused(autoencoder, samples, settings):
    with pytest.raises(TrainingError, match=r"Found 5 spectrograms; 3 clusters"):
        find_centroids(autoencoder, samples[:5], settings)


def test_clustering_begins_with_the_centres_among_some_and_the_others_have_their_nearest_ones(
    autoencoder, samples, settings
):
    settings = settings.model_copy(update={"alpha": 2.0})
    latent, fit = predict(encoder_of(autoencoder), samples), np.arange(0, 96, 2)
    model, labels = begin_clustering(autoencoder, latent, settings, fit=fit)
    centres = find_centroids(autoencoder, samples[fit], settings)
    np.testing.assert_allclose(model.get_layer(CLUSTERING).centroids.numpy(), centres, rtol=1e-5)
    np.testing.assert_array_equal(labels, np.square(latent[:, None] - centres).sum(axis=-1).argmin(axis=1))
    assert model.get_layer(CLUSTERING).alpha == 2.0
    every = begin_clustering(autoencoder, latent, settings, fit=np.arange(96))[1]
    np.testing.assert_array_equal(begin_clustering(autoencoder, latent, settings)[1], every)
