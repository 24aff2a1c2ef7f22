import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from couloir.dec.naming import score_names


def mixed(count=600, wrong=0.1, seed=0):
    """Three classes in six clusters, two each; a share of the events lies in a cluster of another class."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(3, size=count)
    clusters = 2 * classes + generator.integers(2, size=count)
    strays = generator.random(count) < wrong
    clusters[strays] = generator.integers(6, size=strays.sum())
    return np.array(["a", "b", "c"])[classes].tolist(), clusters.astype(np.int32)


def test_with_plenty_of_labels_scores_are_those_of_the_clusters_true_names():
    labels, clusters = mixed()
    naming = score_names(labels, clusters, 6)
    told = np.array(["a", "b", "c"])[clusters // 2]
    for row in naming.classes:
        chosen = {"labels": [row.name], "average": None}
        assert row.precision == pytest.approx(precision_score(labels, told, **chosen)[0], abs=1e-12)
        assert row.recall == pytest.approx(recall_score(labels, told, **chosen)[0], abs=1e-12)
    assert naming.labels == sum(row.labels for row in naming.classes) == 600


def test_labels_that_say_nothing_score_no_better_than_chance():
    """Each event a cluster of its own: named by itself it is always right, by others never."""
    labels, _ = mixed(90)
    naming = score_names(labels, np.arange(90, dtype=np.int32), 90)
    assert [row.recall for row in naming.classes] == [0, 0, 0]
    assert [row.precision for row in naming.classes] == [None, None, None]


def test_the_curve_rises_to_the_point_where_every_cluster_has_a_name():
    labels, clusters = mixed(wrong=0)
    naming = score_names(labels, clusters, 6)
    scores = {point.labels: point.score for point in naming.curve}
    assert scores[1] == pytest.approx(0.5, abs=0.02)  # one label names one of a class's two clusters
    assert scores[2] == pytest.approx(0.75, abs=0.08)
    assert scores[10] > 0.99
    assert naming.enough == 10
    assert max(scores) == max(row.labels for row in naming.classes) - -(
        -max(r.labels for r in naming.classes) // 5
    )


def test_unlabelled_events_do_not_count_and_rejected_ones_are_missed():
    labels, clusters = mixed(wrong=0)
    naming = score_names([*labels, None, ""], np.append(clusters, [0, 1]).astype(np.int32), 6)
    assert naming.labels == 600
    out = np.arange(600) % 4 == 0
    missed = score_names(labels, clusters, 6, rejected=out)
    for row in missed.classes:
        of_class = np.array(labels) == row.name
        assert row.recall == pytest.approx(1 - out[of_class].mean())
        assert row.precision == 1


def test_a_class_of_one_label_is_missed_and_few_labels_are_no_error():
    naming = score_names(["a", "a", "a", "b"], np.array([0, 0, 0, 1], np.int32), 2)
    assert [(row.name, row.recall) for row in naming.classes] == [("a", 1.0), ("b", 0.0)]
    assert score_names(["a", "b", "c"], np.array([0, 1, 2], np.int32), 3).folds == 3
    assert score_names(["a", None], np.array([0, 1], np.int32), 2) is None


def test_the_seed_repeats_everything():
    labels, clusters = mixed(80)
    assert score_names(labels, clusters, 6, seed=3) == score_names(labels, clusters, 6, seed=3)
