import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from couloir.dec import baselines
from couloir.dec.assess import hungarian_accuracy, pca_kmeans


def test_principal_components_find_the_classes_of_easy_pictures(pictures):
    labels = pca_kmeans(pictures[0], components=8, clusters=3, seed=0)
    assert labels.dtype == np.int32
    assert hungarian_accuracy(pictures[1], labels) > 0.9


def test_samples_too_large_for_memory_are_decomposed_in_batches_to_the_same_labels(recorder, monkeypatch, samples):
    whole = pca_kmeans(samples, components=4, clusters=3, seed=0)
    monkeypatch.setattr(baselines, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(baselines, "BATCH", 32)
    parts = pca_kmeans(recorder, components=4, clusters=3, seed=0)
    assert max(len(indices) for indices in recorder.asked) == 32
    assert adjusted_rand_score(whole, parts) > 0.95


@pytest.mark.parametrize("batch", [7, 40, 1000])
def test_no_batch_holds_fewer_samples_than_components(samples, monkeypatch, batch):
    monkeypatch.setattr(baselines, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(baselines, "BATCH", batch)
    assert len(pca_kmeans(samples, components=20, clusters=3, seed=0)) == 96


def test_more_components_than_samples_are_cut(samples):
    assert len(pca_kmeans(samples[:10], components=50, clusters=2, seed=0)) == 10
