import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from couloir.dec.criteria import Criteria
from couloir.dec.kmeans import nearest
from couloir.dec.recommend import choose_by_gap, recommend
from couloir.dec.selection import (
    choose_sample,
    draw_references,
    found_again,
    gap_statistic,
    judge,
    split_labels,
)


def mixture(classes, *, per_class=80, dimensions=8, apart=6.0, seed=0):
    """Draw latent-like vectors: round clusters of unequal width."""
    generator = np.random.default_rng(seed)
    axes = np.linalg.qr(generator.normal(size=(dimensions, dimensions)))[0]
    centres = np.array([axes[k % dimensions] * apart * (1 + k // dimensions) for k in range(classes)])
    labels = np.repeat(np.arange(classes), per_class)
    width = generator.uniform(0.6, 1.2, classes)[labels, None]
    return centres[labels] + width * generator.normal(size=(len(labels), dimensions)), labels


def judged(vectors, numbers, *, seed=0, references=4, splits=4):
    drawn = draw_references(vectors, references, seed=seed)
    return [judge(vectors, k, references=drawn, seed=seed, splits=splits, starts=4) for k in numbers]


@pytest.fixture(scope="module")
def four():
    return mixture(4)[0]


@pytest.fixture(scope="module")
def rows(four):
    return judged(four, range(4, 7))


def test_silhouette_is_that_of_scikit_learn(four):
    row = judged(four, [4])[0]
    labels = KMeans(4, n_init=10, random_state=0).fit_predict(four)
    assert row.silhouette == pytest.approx(silhouette_score(four, labels), abs=1e-9)


def test_gap_is_the_mean_log_inertia_of_references_less_the_vectors_own(four):
    references = draw_references(four, 3, seed=5)
    gap, error = gap_statistic(four, 3, references=references, starts=4, seed=2)

    def log_scatter(points):
        labels = KMeans(3, n_init=4, random_state=2).fit_predict(points)
        parts = [points[labels == k] for k in range(3)]
        # Tibshirani et al. (2001), equations 1 and 2: sums of all pairs' squared distances over twice the size
        pairs = [np.square(part[:, None] - part[None]).sum() / (2 * len(part)) for part in parts]
        return math.log(sum(pairs))

    expected = [log_scatter(reference) for reference in references]
    assert gap == pytest.approx(np.mean(expected) - log_scatter(four), rel=1e-9)
    assert error == pytest.approx(np.std(expected) * math.sqrt(4 / 3), rel=1e-9)


def test_references_fill_the_box_along_the_principal_axes():
    generator = np.random.default_rng(0)
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    box = generator.uniform([-4, -2, -1], [4, 2, 1], (4000, 3))
    (drawn,) = draw_references(box @ turn.T + 7, 1, seed=0)
    lengths = drawn.max(axis=0) - drawn.min(axis=0)
    np.testing.assert_allclose(lengths, [8, 4, 2], rtol=0.05)
    np.testing.assert_allclose(drawn.std(axis=0), lengths / math.sqrt(12), rtol=0.05)


def test_gap_of_a_uniform_box_is_nothing():
    box = np.random.default_rng(3).uniform(size=(400, 2)) * [3, 1]
    gap, error = gap_statistic(box, 3, references=draw_references(box, 8, seed=1), starts=4, seed=0)
    assert abs(gap) < max(3 * error, 0.1)


@given(st.integers(2, 5), st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_nearest_is_the_centroid_at_the_least_distance(clusters, seed):
    generator = np.random.default_rng(seed)
    vectors, centroids = generator.normal(size=(20, 3)), generator.normal(size=(clusters, 3)).astype(np.float32)
    distances = np.linalg.norm(vectors[:, None] - centroids[None], axis=2)
    np.testing.assert_array_equal(nearest(vectors, centroids), distances.argmin(axis=1))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_found_again_is_the_largest_share_of_common_members(drawn):
    reference, labels = (np.array(side, np.int32) for side in zip(*drawn, strict=True))
    for k, found in enumerate(found_again(reference, labels, 4)):
        mine = set(np.flatnonzero(reference == k))
        others = [set(np.flatnonzero(labels == other)) for other in range(4)]
        assert found == pytest.approx(max(len(mine & other) / max(len(mine | other), 1) for other in others))


def test_halves_share_no_event_and_label_all(four, monkeypatch):
    from couloir.dec import selection

    seen, run = [], selection.run_kmeans
    monkeypatch.setattr(selection, "run_kmeans", lambda part, *a, **k: seen.append(part) or run(part, *a, **k))
    pairs = split_labels(four, 4, splits=2, starts=2, seed=0)
    assert len(pairs) == 2
    assert len(seen) == 4
    for one, two, labels in zip(seen[::2], seen[1::2], pairs, strict=True):
        assert not {tuple(v) for v in one} & {tuple(v) for v in two}
        assert len(one) + len(two) == len(four) == len(labels[0]) == len(labels[1])


def test_stability_is_the_mean_ari_of_the_halves(four):
    pairs = split_labels(four, 5, splits=4, starts=4, seed=0)
    expected = [adjusted_rand_score(one, two) for one, two in pairs]
    row = judged(four, [5])[0]
    assert row.stability == pytest.approx(np.mean(expected))
    assert row.stability_error == pytest.approx(np.std(expected, ddof=1) / 2)


def test_random_labels_are_not_stable():
    noise = np.random.default_rng(0).normal(size=(600, 10))
    row = judged(noise, [6])[0]
    assert row.stability < 0.4
    assert row.weakest < 0.5


def test_true_clusters_are_found_again_and_split_ones_are_not(rows):
    by_k = {row.clusters: row for row in rows}
    assert by_k[4].stability > 0.97
    assert by_k[4].weakest > 0.95
    assert by_k[5].weakest < 0.85 > by_k[6].weakest


@pytest.mark.parametrize("classes", [4, 6, 8])
def test_the_known_number_of_clusters_is_recommended(classes):
    vectors, _ = mixture(classes, per_class=60, seed=classes)
    found = recommend(judged(vectors, range(classes - 1, classes + 3)))
    assert found.clusters == classes
    assert f"{classes} clusters: the most" in found.reason


def test_the_same_seed_gives_the_same_criteria(four):
    assert judged(four, [3], seed=4) == judged(four, [3], seed=4) != judged(four, [3], seed=5)


def test_more_clusters_than_half_of_the_vectors_are_refused():
    with pytest.raises(ValueError, match="at least 20"):
        judged(np.zeros((19, 2)), [10])


def test_a_sample_is_drawn_without_repeats_in_order_and_only_where_needed():
    assert choose_sample(10, seed=0, samples=10).tolist() == list(range(10))
    chosen = choose_sample(1000, seed=0, samples=100)
    assert len(set(chosen.tolist())) == 100
    assert chosen.tolist() == sorted(chosen.tolist())
    assert chosen.tolist() == choose_sample(1000, seed=0, samples=100).tolist()


def row(k, *, weakest=0.9, error=0.01, gap=1.0, gap_error=0.0, silhouette=0.3):
    return Criteria(k, 0.9, 0.01, weakest, error, silhouette, gap, gap_error)


def test_gap_rule_takes_the_first_k_within_one_error_of_the_next():
    rising = [row(2, gap=0.1), row(3, gap=0.5), row(4, gap=0.55, gap_error=0.06), row(5, gap=0.2)]
    assert choose_by_gap(rising) == 3
    assert choose_by_gap(rising[:2]) is None
    assert choose_by_gap([*rising[:2], row(4, gap=0.55, gap_error=0.04), row(5, gap=0.2)]) == 4


def test_the_largest_k_with_all_clusters_found_again_is_recommended():
    found = recommend(
        [row(2, weakest=0.99, silhouette=0.5), row(3, weakest=0.6), row(4, weakest=0.87), row(5, weakest=0.8)]
    )
    assert found.clusters == 4
    assert "the silhouette would take 2" in found.reason
    assert "compare further" not in found.reason


def test_a_weakest_cluster_that_is_found_by_luck_is_not_enough():
    assert recommend([row(2), row(3, weakest=0.87, error=0.03), row(4, weakest=0.2)]).clusters == 2


def test_the_sentence_says_that_the_error_is_taken_off_before_the_bound_is_asked():
    guess = recommend([row(2, weakest=0.5), row(3, weakest=0.8699, error=0.02)]).reason
    assert "Jaccard 0.87 ± 0.02; less its standard error 0.849, of which at least 0.85 is asked for" in guess
    found = recommend([row(2, weakest=0.8701, error=0.02), row(3, weakest=0.5)]).reason
    assert "less its standard error 0.850" in found


def test_a_silhouette_of_nothing_is_better_than_a_negative_one():
    rows = [row(2, silhouette=-0.2), row(3, silhouette=0.0), row(4, silhouette=None)]
    assert "the silhouette would take 3" in recommend(rows).reason


def test_a_recommendation_at_the_end_says_to_go_on():
    assert "compare further" in recommend([row(2), row(3)]).reason


def test_a_recommendation_of_the_least_says_to_look_at_more():
    told = recommend([row(2), row(3, weakest=0.2), row(4, weakest=0.2)])
    assert told.clusters == 2
    assert "the least that was compared" in told.reason
    assert "the least that was compared" not in recommend([row(2), row(3), row(4, weakest=0.2)]).reason


def test_where_nothing_is_found_again_the_recommendation_is_called_a_guess():
    found = recommend([row(2, weakest=0.5), row(3, weakest=0.7), row(4, weakest=0.6)])
    assert found.clusters == 3
    assert "as a guess" in found.reason
