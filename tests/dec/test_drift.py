"""Drift against closed forms: shares of clusters, and ratios that are 1 for the training's median."""

import numpy as np
import pytest

from couloir.dec.assign import assign
from couloir.dec.drift import design_effect, population_stability, ratios_to_training, stability_by_chance
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


def of_sources(rng, shares, sources, windows, hours):
    """Count windows by hour and cluster: each source gives some, all in one hour and one cluster."""
    table = np.zeros((hours, len(shares)))
    drawn = rng.choice(len(shares), sources, p=shares)
    np.add.at(table, (rng.integers(hours, size=sources), drawn), windows)
    return table[table.any(axis=1)]


@pytest.mark.parametrize("shares", [np.full(6, 1 / 6), [0.4, 0.25, 0.15, 0.1, 0.07, 0.03]])
@pytest.mark.parametrize(("training", "sources", "windows"), [(2000, 100, 1), (500, 25, 4), (500, 100, 4)])
def test_windows_of_one_source_give_no_false_alarm(shares, training, sources, windows):
    rng = np.random.default_rng(3)
    alarms = []
    for _ in range(600):
        before = windows * rng.multinomial(training, shares)
        now = of_sources(rng, shares, sources, windows, hours=50)
        alarms.append(population_stability(before, now.sum(axis=0)) > stability_by_chance(before, now))
    assert np.mean(alarms) <= 0.01


def test_shares_that_moved_are_still_found_in_windows_of_few_sources():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(200):
        before = 4 * rng.multinomial(500, np.full(6, 1 / 6))
        now = of_sources(rng, [0.5, 0.2, 0.1, 0.1, 0.05, 0.05], 100, 4, hours=50)
        found.append(population_stability(before, now.sum(axis=0)) > stability_by_chance(before, now))
    assert np.mean(found) > 0.9


def test_the_design_effect_of_two_clusters_is_that_of_the_share_of_one():
    table = np.random.default_rng(6).integers(1, 9, (30, 2)) * [1, 2]
    sizes, share = table.sum(axis=1), table[:, 0].sum() / table.sum()
    residual = table[:, 0] - share * sizes  # the ratio estimator's linearised variance
    variance = 30 * np.var(residual, ddof=1) / table.sum() ** 2
    assert design_effect(table) == pytest.approx(max(variance / (share * (1 - share) / table.sum()), 1))


def test_equal_groups_of_one_source_each_have_the_effect_of_their_size():
    table = 4 * np.eye(3)[np.arange(30) % 3]
    assert design_effect(table) == pytest.approx(4 * 30 / 29)
    assert design_effect(4 * np.ones((10, 1))) == pytest.approx(4)
    assert design_effect(np.tile([5, 3, 2], (20, 1))) == 1


def test_many_groups_of_one_event_are_independent_events_and_one_group_says_nothing():
    each = np.eye(4)[np.random.default_rng(7).integers(4, size=4000)]
    plain = stability_by_chance([500, 500, 500, 500], each.sum(axis=0))
    assert stability_by_chance([500, 500, 500, 500], each) == pytest.approx(plain, rel=0.02)
    assert stability_by_chance([500, 500, 500, 500], [[9, 0, 3, 2]]) == np.inf


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


def test_without_a_reference_events_are_measured_against_the_events_at_hand(trained, trained_on):
    from couloir.dec.backend import keras
    from couloir.dec.clustering import ClusteringLayer

    bare = keras.models.clone_model(trained.model)
    assert isinstance(bare.get_layer("clustering"), ClusteringLayer)
    bare.set_weights(trained.model.get_weights())
    layer = bare.get_layer("clustering")
    for weight in (layer.typical_distance, layer.typical_error):
        weight.assign(np.ones(layer.clusters))
    expected = ratios_to_training(trained.model, assign(trained.model, trained_on))
    without = assign(bare, trained_on)
    assert not np.allclose(ratios_to_training(bare, without).larger, expected.larger)
    found = measure_against_itself(bare, without)
    np.testing.assert_allclose(found.distance, expected.distance, rtol=1e-4)
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-5)
    assert len(measure_against_itself(bare, assign(bare, trained_on[:0])).larger) == 0
