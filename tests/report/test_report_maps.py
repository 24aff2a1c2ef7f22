"""The map keeps neighbours together, is repeatable, and copes with few points."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from couloir.report import maps


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 200)
    centres = 6 * rng.normal(size=(4, 40))
    return (centres[label] + rng.normal(size=(200, 40))).astype(np.float32), label


def test_map_keeps_groups_of_the_latent_space_together(blobs):
    latent, label = blobs
    placed = maps.project(latent, seed=1)
    assert placed.shape == (200, 2)
    assert placed.dtype == np.float32
    assert KNeighborsClassifier(5).fit(placed, label).score(placed, label) > 0.98


def test_same_seed_gives_the_same_map(blobs):
    latent = blobs[0][:60]
    np.testing.assert_array_equal(maps.project(latent, seed=3), maps.project(latent, seed=3))


@pytest.mark.parametrize("points", [0, 1, 2, 3, 19, 20, 25])
@pytest.mark.parametrize("dimensions", [1, 2, 10])
def test_few_points_or_dimensions_still_give_a_finite_map(points, dimensions):
    latent = np.random.default_rng(points).normal(size=(points, dimensions))
    placed = maps.project(latent, seed=0)
    assert placed.shape == (points, 2)
    assert np.all(np.isfinite(placed))


def test_few_points_keep_their_distances_when_the_latent_space_is_a_plane():
    latent = np.random.default_rng(0).normal(size=(10, 2))
    placed = maps.project(latent, seed=0)

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    np.testing.assert_allclose(distances(placed), distances(latent), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-40, 1e-20])
def test_collapsed_latent_space_gives_a_finite_map(scale):
    latent = np.ones((30, 8)) + scale * np.random.default_rng(0).normal(size=(30, 8))
    assert np.all(np.isfinite(maps.project(latent, seed=0)))


def test_latent_space_of_few_distinct_points_gives_a_finite_map():
    latent = np.random.default_rng(0).normal(size=(25, 8))[np.arange(500) % 25]
    assert np.all(np.isfinite(maps.project(latent, seed=0)))


def test_scale_of_the_latent_space_does_not_matter(blobs):
    latent, label = blobs
    placed = maps.project(1e-25 * latent.astype(np.float64), seed=1)
    assert KNeighborsClassifier(5).fit(placed, label).score(placed, label) > 0.98


def test_sample_takes_all_of_a_few():
    np.testing.assert_array_equal(maps.sample(7, seed=0), np.arange(7))


def test_sample_of_many_is_distinct_sorted_and_repeatable():
    chosen = maps.sample(10_000, seed=5)
    assert len(chosen) == maps.MOST_POINTS
    assert np.all(np.diff(chosen) > 0)
    assert chosen[0] >= 0
    assert chosen[-1] < 10_000
    np.testing.assert_array_equal(chosen, maps.sample(10_000, seed=5))
    assert not np.array_equal(chosen, maps.sample(10_000, seed=6))
