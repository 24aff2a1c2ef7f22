from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from couloir.dec.consensus import find_consensus, match_clusters, matched_accuracy

K = 4
pairs = st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), min_size=1, max_size=40)
runs_of_events = st.integers(1, 20).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, K - 1), min_size=n, max_size=n), min_size=1, max_size=5)
)


def arrays(runs):
    return [np.array(run, np.int32) for run in runs]


@given(pairs)
def test_matching_is_the_best_of_all_permutations(drawn):
    reference, labels = arrays(zip(*drawn, strict=True))
    renumber = match_clusters(reference, labels, K)
    assert sorted(renumber.tolist()) == list(range(K))
    best = max(int((np.array(p)[labels] == reference).sum()) for p in permutations(range(K)))
    assert int((renumber[labels] == reference).sum()) == best
    assert matched_accuracy(reference, labels) == pytest.approx(best / len(drawn))


@settings(max_examples=50)
@given(runs_of_events)
def test_agreement_matrices_are_scikit_learns_and_the_brute_force_matching(drawn):
    runs = arrays(drawn)
    found = find_consensus(runs, K)
    for i, one in enumerate(runs):
        for j, two in enumerate(runs):
            assert found.ari[i, j] == pytest.approx(adjusted_rand_score(one, two))
            assert found.accuracy[i, j] == pytest.approx(matched_accuracy(one, two))
    means = [np.mean([adjusted_rand_score(one, two) for two in runs]) for one in runs]
    assert means[found.medoid] == pytest.approx(max(means))


@settings(max_examples=50)
@given(runs_of_events)
def test_consensus_is_the_most_frequent_matched_label(drawn):
    found = find_consensus(arrays(drawn), K)
    for event, label in enumerate(found.labels):
        votes = np.bincount(found.matched[:, event], minlength=K)
        assert votes[label] == votes.max()
        assert found.agreement[event] == pytest.approx(votes.max() / len(drawn))
        if votes[found.matched[found.medoid, event]] == votes.max():
            assert label == found.matched[found.medoid, event]


@given(st.lists(st.integers(0, K - 1), min_size=1, max_size=30), st.permutations(range(K)))
def test_renumbered_copies_of_one_clustering_agree_wholly(labels, names):
    one = np.array(labels, np.int32)
    found = find_consensus([one, np.array(names, np.int32)[one]], K)
    np.testing.assert_array_equal(found.labels, one)
    assert found.mean_ari == found.mean_accuracy == pytest.approx(1)
    assert (found.agreement == 1).all()


def test_the_odd_one_out_is_never_the_medoid_and_is_outvoted():
    good = np.repeat([0, 1, 2], 20).astype(np.int32)
    near = good.copy()
    near[:2] = 1
    odd = np.random.default_rng(0).integers(0, 3, 60).astype(np.int32)
    found = find_consensus([odd, near, (good + 1) % 3], 3)
    assert found.medoid in (1, 2)
    assert adjusted_rand_score(found.labels, good) > 0.9
    assert found.mean_ari < 0.5


def test_agreement_of_unrelated_clusterings_is_nothing_beyond_chance():
    generator = np.random.default_rng(1)
    found = find_consensus(list(generator.integers(0, 3, (6, 600)).astype(np.int32)), 3)
    assert found.mean_ari == pytest.approx(0, abs=0.01)
    assert found.mean_accuracy > 0.33


def test_one_clustering_agrees_with_itself():
    found = find_consensus([np.array([1, 0, 1], np.int32)], 2)
    assert (found.medoid, found.mean_ari, found.labels.tolist()) == (0, 1.0, [1, 0, 1])


@pytest.mark.parametrize("runs", [[], [[0, 1], [0]], [[]]])
def test_clusterings_that_are_not_of_the_same_events_are_refused(runs):
    with pytest.raises(ValueError, match="same events"):
        find_consensus(arrays(runs), 2)
