"""Drift against closed forms: shares of clusters, and ratios that are 1 for the training's median."""

import numpy as np
import pytest

from couloir.dec.assign import assign
from couloir.dec.drift import population_stability, ratios_to_training, stability_by_chance
from couloir.dec.holdout import hold_out
from couloir.dec.itself import measure_against_itself


def test_equal_shares_are_stable_whatever_the_numbers():
    assert population_stability([99.5, 299.5], [9.5, 29.5]) == pytest.approx(0, abs=1e-12)


def test_shares_that_moved_give_the_symmetric_divergence():
    p, q = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    expected = np.sum(p * np.log(p / q)) + np.sum(q * np.log(q / p))
    assert population_stability([2499.5, 7499.5], [4999.5, 4999.5]) == pytest.approx(expected, rel=1e-12)


def test_an_empty_cluster_counts_and_breaks_nothing():
    assert 1 < population_stability([100, 0], [50, 50]) < 10


def test_two_draws_from_one_population_stay_within_chance():
    rng = np.random.default_rng(5)
    shares = [0.5, 0.2, 0.15, 0.1, 0.05]
    draws = [(rng.multinomial(2_000, shares), rng.multinomial(400, shares)) for _ in range(2_000)]
    above = np.mean([population_stability(a, b) > stability_by_chance(a, b, probability=0.95) for a, b in draws])
    assert above == pytest.approx(0.05, abs=0.015)


@pytest.fixture
def trained_on(samples, settings):
    return samples[hold_out(len(samples), settings)[0]]


def test_the_training_itself_has_ratios_of_median_one_in_every_cluster(trained, trained_on):
    assignment = assign(trained.model, trained_on)
    ratios = ratios_to_training(trained.model, assignment)
    for cluster in np.unique(assignment.cluster):
        members = assignment.cluster == cluster
        assert np.median(ratios.distance[members]) == pytest.approx(1, abs=1e-4)
        assert np.median(ratios.error[members]) == pytest.approx(1, abs=1e-4)


def test_without_a_reference_novelty_is_measured_against_the_events_at_hand(trained, trained_on):
    from couloir.dec.backend import keras
    from couloir.dec.clustering import ClusteringLayer

    bare = keras.models.clone_model(trained.model)
    assert isinstance(bare.get_layer("clustering"), ClusteringLayer)
    bare.set_weights(trained.model.get_weights())
    layer = bare.get_layer("clustering")
    for weight in (layer.typical_distance, layer.typical_error):
        weight.assign(np.ones(layer.clusters))
    expected = assign(trained.model, trained_on)
    without = assign(bare, trained_on)
    assert not np.allclose(without.novelty, expected.novelty)
    np.testing.assert_allclose(measure_against_itself(bare, without).novelty, expected.novelty, rtol=1e-5)
