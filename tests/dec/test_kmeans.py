import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from couloir.dec.kmeans import run_kmeans


def test_kmeans_finds_blobs_and_their_means():
    vectors, classes = make_blobs(300, centers=4, cluster_std=0.2, random_state=1)
    centroids, labels = run_kmeans(vectors.astype(np.float32), 4, starts=5, seed=0)
    assert adjusted_rand_score(classes, labels) == 1
    for number in range(4):
        np.testing.assert_allclose(centroids[number], vectors[labels == number].mean(axis=0), atol=1e-4)


def test_labels_are_those_of_the_nearest_centroid():
    vectors = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    centroids, labels = run_kmeans(vectors, 5, starts=2, seed=3)
    np.testing.assert_array_equal(labels, cdist(vectors, centroids).argmin(axis=1))


def test_same_seed_gives_the_same_bytes():
    vectors = np.random.default_rng(0).normal(size=(2000, 6)).astype(np.float32)
    one, two = (run_kmeans(vectors, 7, starts=1, seed=5)[0].tobytes() for _ in range(2))
    assert one == two


def test_a_negative_seed_will_do():
    vectors = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    assert len(run_kmeans(vectors, 2, starts=1, seed=-1)[1]) == 50
