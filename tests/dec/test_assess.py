import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from couloir.dec.assess import contingency, hungarian_accuracy, majority_classes, purity, score_clusters

pairs = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=2, max_size=30)

CLASSES = ["rock", "rock", "rock", "quake", "quake", "car"]
CLUSTERS = [2, 2, 0, 0, 0, 5]


def test_scores_of_a_case_counted_by_hand():
    scores = score_clusters(CLASSES, CLUSTERS)
    assert scores.purity == pytest.approx(5 / 6)
    assert scores.hungarian_accuracy == pytest.approx(5 / 6)
    assert scores.nmi == pytest.approx(normalized_mutual_info_score(CLASSES, CLUSTERS))
    assert scores.ari == pytest.approx(adjusted_rand_score(CLASSES, CLUSTERS))
    assert scores.n == 6


def test_contingency_counts_by_class_and_raw_cluster_id():
    table = contingency(CLASSES, CLUSTERS)
    assert table.classes == ("car", "quake", "rock")
    assert table.clusters == (0, 2, 5)
    assert table.counts.tolist() == [[0, 0, 1], [2, 0, 0], [1, 2, 0]]


@given(pairs)
def test_hungarian_accuracy_is_the_best_of_all_one_to_one_matchings(drawn):
    classes, clusters = zip(*drawn, strict=True)
    best = max(sum(matching[cluster] == name for name, cluster in drawn) for matching in permutations("abc-", 4))
    assert hungarian_accuracy(classes, clusters) == pytest.approx(best / len(drawn))


@given(pairs)
def test_purity_is_never_less_than_hungarian_accuracy(drawn):
    classes, clusters = zip(*drawn, strict=True)
    assert purity(classes, clusters) >= hungarian_accuracy(classes, clusters)


@given(pairs, st.permutations(range(4)))
def test_scores_do_not_depend_on_how_clusters_are_numbered(drawn, names):
    classes, clusters = zip(*drawn, strict=True)
    renamed = [names[cluster] for cluster in clusters]
    one, two = score_clusters(classes, clusters), score_clusters(classes, renamed)
    for name, value in vars(one).items():
        assert getattr(two, name) == pytest.approx(value, nan_ok=True)


def test_splitting_every_cluster_raises_purity_to_one_but_not_hungarian_accuracy():
    scores = score_clusters(CLASSES, range(6))
    assert scores.purity == 1
    assert scores.hungarian_accuracy == pytest.approx(3 / 6)


@pytest.mark.parametrize("missing", [None, "", math.nan])
def test_unlabelled_samples_are_left_out(missing):
    with_missing = score_clusters([*CLASSES, missing, missing], [*CLUSTERS, 0, 9])
    assert with_missing == score_clusters(CLASSES, CLUSTERS)


def test_classes_may_be_numbers():
    assert hungarian_accuracy(np.array([0, 0, 1]), np.array([7, 7, 3])) == 1


def test_no_labelled_sample_gives_no_scores():
    scores = score_clusters([None, None], [0, 1])
    assert scores.n == 0
    assert all(math.isnan(getattr(scores, name)) for name in ("purity", "nmi", "ari", "hungarian_accuracy"))


def test_majority_class_of_each_cluster_with_its_purity():
    named = majority_classes([*CLASSES, None], [*CLUSTERS, 4], 6)
    assert named[0] == (0, "quake", pytest.approx(2 / 3), 3)
    assert named[2] == (2, "rock", 1.0, 2)
    assert named[5] == (5, "car", 1.0, 1)
    for cluster in (1, 3, 4):
        assert named[cluster][:2] == (cluster, None)
        assert math.isnan(named[cluster].purity)
        assert named[cluster].n_labelled == 0


def test_classes_and_clusters_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        score_clusters(["a", "b"], [0, 1, 2])
