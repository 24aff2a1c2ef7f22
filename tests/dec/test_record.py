import re
import zipfile

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from couloir.dec import record
from couloir.dec.assign import load_model
from couloir.dec.record import hash_weights, save_model, score_silhouette


@pytest.fixture
def blobs():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100).astype(np.int32)
    return (labels[:, None] * 5 + generator.normal(size=(300, 4))).astype(np.float32), labels


def test_silhouette_is_that_of_scikit_learn(blobs):
    assert score_silhouette(*blobs, seed=0) == pytest.approx(silhouette_score(*blobs))


def test_silhouette_of_a_large_archive_is_estimated_from_a_part(blobs, monkeypatch):
    monkeypatch.setattr(record, "SILHOUETTE_SAMPLES", 150)
    part = score_silhouette(*blobs, seed=0)
    assert part != pytest.approx(silhouette_score(*blobs), abs=1e-9)
    assert part == pytest.approx(silhouette_score(*blobs), abs=0.05)


def test_one_cluster_has_no_silhouette(blobs):
    assert score_silhouette(blobs[0], np.zeros(300, np.int32), seed=0) is None


def test_hash_changes_with_a_weight(trained):
    before = hash_weights(trained.model)
    layer = trained.model.get_layer("latent")
    weights = layer.get_weights()
    layer.set_weights([weights[0], weights[1] + 1e-3])
    try:
        assert hash_weights(trained.model) != before
    finally:
        layer.set_weights(weights)
    assert hash_weights(trained.model) == before


def test_a_models_file_holds_neither_the_time_nor_addresses_and_loads(trained, tmp_path):
    path = tmp_path / "dec.keras"
    save_model(trained.model, path)
    with zipfile.ZipFile(path) as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"date" not in file.read("metadata.json")
        shared = re.findall(rb'"shared_object_id": (\d+)', file.read("config.json"))
    assert shared
    assert max(map(int, shared)) < 100
    assert hash_weights(load_model(path)) == hash_weights(trained.model)
