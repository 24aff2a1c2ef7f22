from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from couloir.dec.naming import _folds, score_names
from couloir.identifiers import HOUR_NS
from couloir.stages.naming import judge_names, naming_in_words


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


def test_labels_are_not_called_enough_while_more_still_help_or_where_none_helps():
    labels, _ = mixed(36, wrong=0)
    rising = score_names(labels, np.arange(36, dtype=np.int32) % 18, 18)
    assert rising.curve[-1].score > rising.curve[-2].score + 0.05
    nothing = score_names(labels, np.arange(36, dtype=np.int32), 36)
    assert {point.score for point in nothing.curve} == {0}
    for naming in (rising, nothing):
        assert naming.enough is None
        assert "enough is not known yet" in naming_in_words(naming)
    settled = score_names(*mixed(wrong=0), 6)
    assert "10 labels a class, each of another hour, come within" in naming_in_words(settled)


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


def test_windows_of_one_source_do_not_name_each_other():
    """Every source has a class by chance and a cluster of its own: nothing carries over to another source."""
    classes = np.random.default_rng(0).integers(3, size=30)
    labels = np.repeat(np.array(["a", "b", "c"])[classes], 4).tolist()
    sources = np.repeat(np.arange(30, dtype=np.int32), 4)
    flattered = score_names(labels, sources, 30)
    assert min(row.recall for row in flattered.classes) > 0.9
    naming = score_names(labels, sources, 30, groups=sources)
    assert [(row.recall, row.precision) for row in naming.classes] == [(0, None)] * 3
    assert {point.score for point in naming.curve} == {0}
    assert (naming.folds, naming.groups) == (5, 30)


def test_the_curve_counts_labels_of_different_hours():
    """Each class has two clusters, one an hour: many labels of one hour name but one of them."""
    hours = np.repeat(np.arange(60), 20)
    clusters = (hours % 6).astype(np.int32)
    naming = score_names(np.array(["a", "b", "c"])[clusters // 2].tolist(), clusters, 6, groups=hours)
    scores = {point.labels: point.score for point in naming.curve}
    assert scores[1] == pytest.approx(0.5, abs=0.02)
    assert scores[10] > 0.99
    assert max(scores) == 16  # a class is of 20 hours, of which a fifth is scored


def test_folds_hold_whole_groups_and_every_event_once():
    names = np.array(["a", "b"])[np.random.default_rng(1).integers(2, size=200)]
    groups = np.random.default_rng(2).integers(23, size=200)
    for few in (names, np.array([f"{number}" for number in range(200)])):
        parts = list(_folds(few, groups, 5, 0))
        np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in parts])), np.arange(200))
        for train, test in parts:
            assert not set(groups[train]) & set(groups[test])
            assert len(train) + len(test) == 200


def test_with_fewer_hours_than_folds_there_are_as_many_folds_and_one_hour_is_said_to_be_one():
    labels, clusters = mixed(90)
    some = score_names(labels, clusters, 6, groups=np.arange(90) % 3)
    assert (some.folds, some.groups) == (3, 3)
    one = score_names(labels, clusters, 6, groups=np.zeros(90))
    assert (one.folds, one.groups) == (5, None)
    assert "folds of whole hours" in naming_in_words(some)
    assert "All labels are of one hour" in naming_in_words(one)
    assert "too good" in naming_in_words(one)


def test_a_run_scores_names_over_its_utc_hours():
    labels, clusters = mixed(90)
    run = SimpleNamespace(train=SimpleNamespace(seed=0))
    onsets = np.arange(90) % 7 * HOUR_NS + np.arange(90)
    naming = judge_names(run, 6, labels, clusters, np.zeros(90, bool), onset_ns=onsets)
    assert naming == score_names(labels, clusters, 6, groups=np.arange(90) % 7)


def test_the_seed_repeats_everything():
    labels, clusters = mixed(80)
    assert score_names(labels, clusters, 6, seed=3) == score_names(labels, clusters, 6, seed=3)
