import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from scipy.stats import t as student

from couloir.config import TrainConfig
from couloir.dec.clustering import (
    ClusteringLayer,
    assigner_of,
    build_clustering_model,
    kl_divergence,
    soft_assignment,
    squared_distances,
    target_distribution,
)
from couloir.dec.networks import build_autoencoder, encoder_of

quick = settings(max_examples=60, deadline=None)
numbers = st.floats(-50, 50, width=32)
vectors = arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=numbers)
centres = arrays(np.float32, st.tuples(st.integers(2, 6), st.just(3)), elements=numbers)
assignments = arrays(np.float64, st.tuples(st.integers(1, 20), st.just(4)), elements=st.floats(1e-6, 1)).map(
    lambda rows: rows / rows.sum(axis=1, keepdims=True)
)


def q_of(latent, centroids, alpha=1.0):
    return keras.ops.convert_to_numpy(soft_assignment(latent, centroids, alpha=alpha))


def gradients_of(function, *arguments):
    """Differentiate a scalar function of arrays on whichever backend is in use."""
    if keras.backend.backend() == "jax":
        import jax

        return [np.asarray(g) for g in jax.grad(function, tuple(range(len(arguments))))(*arguments)]
    import tensorflow as tf

    variables = [tf.Variable(argument) for argument in arguments]
    with tf.GradientTape() as tape:
        value = function(*variables)
    return [g.numpy() for g in tape.gradient(value, variables)]


@quick
@given(vectors, centres)
def test_squared_distances_are_those_of_scipy(latent, centroids):
    distances = keras.ops.convert_to_numpy(squared_distances(latent, centroids))
    np.testing.assert_allclose(distances, cdist(latent, centroids, "sqeuclidean"), rtol=1e-4, atol=1e-3)


@quick
@given(vectors, centres, st.sampled_from([0.5, 1.0, 3.0]))
def test_soft_assignment_is_equation_1_of_the_paper(latent, centroids, alpha):
    kernel = (1 + cdist(latent, centroids, "sqeuclidean") / alpha) ** (-(alpha + 1) / 2)
    expected = kernel / kernel.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(q_of(latent, centroids, alpha), expected, rtol=2e-3, atol=2e-5)


@quick
@given(vectors, centres)
def test_soft_assignment_sums_to_one_and_is_largest_at_the_nearest_centroid(latent, centroids):
    q = q_of(latent, centroids)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)
    distances = cdist(latent, centroids, "sqeuclidean")
    chosen = np.take_along_axis(distances, q.argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-3, atol=1e-3)


def test_soft_assignment_in_one_dimension_is_the_density_of_students_t():
    latent, centroids = np.array([[0.3]], np.float32), np.array([[0.0], [2.0]], np.float32)
    density = student.pdf(np.array([0.3, 1.7]), df=2)
    np.testing.assert_allclose(q_of(latent, centroids, 2.0)[0], density / density.sum(), rtol=1e-5)


def test_soft_assignment_is_finite_far_from_every_centroid():
    q = q_of(np.full((1, 3), 1e15, np.float32), np.eye(3, dtype=np.float32), 50.0)
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(), 1, rtol=1e-5)


@quick
@given(assignments)
def test_target_distribution_sums_to_one_for_each_sample(q):
    np.testing.assert_allclose(target_distribution(q).sum(axis=1), 1, rtol=1e-5)


@quick
@given(assignments)
def test_target_distribution_is_equation_3_of_the_paper(q):
    expected = np.empty_like(q)
    for i, row in enumerate(q):
        terms = [row[j] ** 2 / sum(q[:, j]) for j in range(q.shape[1])]
        expected[i] = np.array(terms) / sum(terms)
    np.testing.assert_allclose(target_distribution(q), expected, rtol=1e-4, atol=1e-7)


def test_target_distribution_sharpens_assignments_when_clusters_are_of_equal_size():
    q = np.array([[0.7, 0.3], [0.3, 0.7]])
    np.testing.assert_allclose(target_distribution(q)[0], [0.49 / 0.58, 0.09 / 0.58], rtol=1e-6)


@quick
@given(assignments)
def test_the_balance_is_the_exponent_of_the_clusters_soft_sizes(q):
    for balance in (0.0, 0.5, 2.0):
        terms = q**2 / q.sum(axis=0) ** balance
        expected = terms / terms.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(target_distribution(q, balance=balance), expected, rtol=1e-4, atol=1e-7)


def test_less_balance_draws_fewer_samples_out_of_a_large_cluster():
    q = np.array([[0.55, 0.45]] + [[0.9, 0.1]] * 50)
    drawn = [float(target_distribution(q, balance=balance)[0, 1]) for balance in (1.0, 0.5, 0.0)]
    assert drawn[0] > 0.5 > drawn[2]
    assert drawn == sorted(drawn, reverse=True)


def test_target_distribution_depends_on_the_whole_archive():
    q = np.array([[0.6, 0.4], [0.9, 0.1], [0.9, 0.1]])
    assert not np.allclose(target_distribution(q)[0], target_distribution(q[:1])[0])


def test_target_distribution_bears_a_cluster_that_nothing_belongs_to():
    q = np.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(target_distribution(q), q)


@quick
@given(assignments)
def test_kl_divergence_is_scipys_entropy_summed_over_clusters_and_averaged_over_samples(q):
    p = target_distribution(q)
    expected = np.mean([entropy(a, b) for a, b in zip(p, q, strict=True)])
    assert kl_divergence(p, q) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.fixture
def problem():
    generator = np.random.default_rng(3)
    latent = generator.normal(size=(5, 4)).astype(np.float32)
    centroids = generator.normal(size=(3, 4)).astype(np.float32)
    return latent, centroids, target_distribution(q_of(latent, centroids) ** 2)


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_gradients_of_the_clustering_loss_are_equations_4_and_5_of_the_paper(problem, alpha):
    latent, centroids, p = problem

    def loss(z, mu):
        q = soft_assignment(z, mu, alpha=alpha)
        return keras.ops.sum(keras.losses.kl_divergence(p, q))

    by_latent, by_centroid = gradients_of(loss, latent, centroids)
    difference = latent[:, None] - centroids[None]
    pull = (alpha + 1) / alpha / (1 + (difference**2).sum(-1) / alpha) * (p - q_of(latent, centroids, alpha))
    terms = pull[..., None] * difference
    np.testing.assert_allclose(by_latent, terms.sum(axis=1), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(by_centroid, -terms.sum(axis=0), rtol=1e-3, atol=1e-5)


def test_layer_gives_the_soft_assignment_to_its_centroids(problem):
    latent, centroids, _ = problem
    layer = ClusteringLayer(3, alpha=2.0)
    layer.build((None, 4))
    layer.centroids.assign(centroids)
    np.testing.assert_allclose(layer(latent), q_of(latent, centroids, 2.0), rtol=1e-6)


def test_layer_is_rebuilt_from_its_configuration():
    layer = ClusteringLayer(5, alpha=0.5, name="clusters")
    again = ClusteringLayer.from_config(layer.get_config())
    assert (again.clusters, again.alpha, again.name) == (5, 0.5, "clusters")


def test_only_the_centroids_of_the_layer_are_trained():
    layer = ClusteringLayer(3)
    layer.build((None, 4))
    assert [weight.name for weight in layer.trainable_weights] == ["centroids"]


@pytest.fixture(scope="module")
def dec():
    autoencoder = build_autoencoder((16, 16, 1), TrainConfig(filters=(4, 6), latent=3))
    centroids = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    return build_clustering_model(autoencoder, centroids, alpha=1.0), autoencoder, centroids


def test_clustering_model_gives_q_and_the_autoencoders_reconstruction(dec):
    model, autoencoder, centroids = dec
    images = np.random.default_rng(1).normal(size=(6, 16, 16, 1)).astype(np.float32)
    outputs = model.predict_on_batch(images)
    latent = encoder_of(autoencoder).predict_on_batch(images)
    np.testing.assert_allclose(outputs["q"], q_of(latent, centroids), rtol=1e-4)
    np.testing.assert_allclose(outputs["reconstruction"], autoencoder.predict_on_batch(images), atol=1e-6)


def test_assigner_is_the_encoder_and_the_clustering_layer_without_the_decoder(dec):
    model, autoencoder, _ = dec
    names = [layer.name for layer in assigner_of(model).layers]
    assert names == [*(layer.name for layer in encoder_of(autoencoder).layers), "clustering"]
