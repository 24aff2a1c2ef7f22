import numpy as np

from couloir.dec.collapse import DOMINANT_SHARE, find_collapse


def sharp(labels, clusters, height=0.8):
    q = np.full((len(labels), clusters), (1 - height) / (clusters - 1))
    q[np.arange(len(labels)), labels] = height
    return q


def test_clusters_of_moderate_sizes_are_sound():
    assert find_collapse(sharp(np.repeat([0, 1, 2], [80, 15, 5]), 3)) == ()


def test_empty_clusters_are_named():
    assert find_collapse(sharp(np.repeat([0, 2], 50), 4)) == ("2 of 4 clusters are empty (1, 3)",)


def test_a_cluster_that_holds_nearly_all_is_named():
    (note,) = find_collapse(sharp(np.repeat([0, 1], [3, 97]), 2))
    assert note == "cluster 1 holds 97.0% of the samples"


def test_a_cluster_at_the_bound_is_sound():
    most = round(100 * DOMINANT_SHARE)
    assert find_collapse(sharp(np.repeat([0, 1], [most, 100 - most]), 2)) == ()


def test_uniform_assignments_are_noticed():
    notes = find_collapse(sharp(np.repeat([0, 1, 2], 30), 3, height=0.34))
    assert len(notes) == 1
    assert "uniform" in notes[0]
    assert find_collapse(sharp(np.repeat([0, 1, 2], 30), 3, height=0.36)) == ()
