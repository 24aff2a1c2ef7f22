import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from couloir.dec.structure import merge_tree


def scattered(sizes, *, seed=0, dimensions=3, spread=0.0):
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(len(sizes), dimensions)) * 4
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    noise = generator.normal(scale=spread, size=(len(labels), dimensions)) if spread else 0.0
    return (centres[labels] + noise).astype(np.float32), labels


def cut(tree, groups):
    """Undo the last merges until there are this many groups, and give the group of each leaf."""
    parent = {leaf: leaf for leaf in tree.leaves}
    for merge in tree.merges[: len(tree.leaves) - groups]:
        parent = {leaf: merge.node if top in (merge.left, merge.right) else top for leaf, top in parent.items()}
    return parent


@pytest.mark.parametrize("seed", range(5))
def test_merges_are_scipys_ward_linkage_of_all_events_drawn_to_their_clusters_means(seed):
    vectors, labels = scattered([30, 4, 11, 1, 50, 7], seed=seed)
    tree = merge_tree(vectors, labels, 6)
    expected = linkage(vectors.astype(np.float64), "ward")[-5:]
    heights = [np.sqrt(2 * merge.increase) for merge in tree.merges]
    np.testing.assert_allclose(heights, expected[:, 2], rtol=1e-6)
    assert [merge.events for merge in tree.merges] == expected[:, 3].astype(int).tolist()
    for groups in range(1, 7):
        mine = cut(tree, groups)
        theirs = fcluster(linkage(vectors.astype(np.float64), "ward"), groups, "maxclust")
        assert adjusted_rand_score([mine[label] for label in labels], theirs) == pytest.approx(1)


def test_a_heights_end_is_the_share_of_the_scatter_that_the_clusters_explain():
    vectors, labels = scattered([30, 20, 10], spread=0.7)
    points = vectors.astype(np.float64)
    whole = np.square(points - points.mean(axis=0)).sum()
    within = sum(np.square(points[labels == k] - points[labels == k].mean(axis=0)).sum() for k in range(3))
    tree = merge_tree(vectors, labels, 3)
    assert tree.merges[-1].height == pytest.approx(1 - within / whole, rel=1e-9)
    assert sum(merge.increase for merge in tree.merges) == pytest.approx(whole - within, rel=1e-9)
    assert [merge.height for merge in tree.merges] == sorted(merge.height for merge in tree.merges)


def test_sizes_decide_which_of_equally_near_clusters_merge_first():
    vectors = np.repeat([[0.0], [1.0], [2.0], [3.0]], [100, 100, 1, 100], axis=0).astype(np.float32)
    labels = np.repeat([0, 1, 2, 3], [100, 100, 1, 100]).astype(np.int32)
    first = merge_tree(vectors, labels, 4).merges[0]
    assert 2 in (first.left, first.right)
    assert first.increase == pytest.approx(100 / 101)


def test_empty_clusters_and_unassigned_events_have_no_leaf():
    vectors, labels = scattered([5, 5, 5])
    labels[labels == 1] = -1
    tree = merge_tree(vectors, labels, 4)
    assert sorted(tree.leaves) == [0, 2]
    (merge,) = tree.merges
    assert (merge.left, merge.right, merge.node, merge.events) == (0, 2, 4, 10)


@pytest.mark.parametrize("labels", [[], [1, 1, 1]])
def test_one_cluster_or_none_is_a_tree_without_merges(labels):
    labels = np.array(labels, np.int32)
    tree = merge_tree(np.ones((len(labels), 2), np.float32), labels, 3)
    assert tree.merges == ()
    assert tree.leaves == tuple(sorted(set(labels.tolist())))


def test_leaves_of_every_merge_stand_side_by_side():
    vectors, labels = scattered([3, 9, 4, 8, 5, 2, 7], seed=3)
    tree = merge_tree(vectors, labels, 7)
    below = {leaf: {leaf} for leaf in tree.leaves}
    for merge in tree.merges:
        below[merge.node] = below[merge.left] | below[merge.right]
        places = sorted(tree.leaves.index(leaf) for leaf in below[merge.node])
        assert places == list(range(places[0], places[0] + len(places)))
