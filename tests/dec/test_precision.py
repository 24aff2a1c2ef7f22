"""Training in bfloat16 ends in a model of single precision, with the weights that were trained."""

import keras
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from couloir.dec.assign import load_model
from couloir.dec.clustering import build_clustering_model
from couloir.dec.networks import build_autoencoder
from couloir.dec.precision import building_for, in_single_precision
from couloir.dec.training import train


@pytest.fixture
def half(settings):
    return settings.model_copy(update={"precision": "bfloat16"})


def dtypes(model):
    return {layer.compute_dtype for layer in model.layers if layer.weights}


def test_layers_compute_in_half_precision_with_weights_in_single(samples, half, settings):
    with building_for(half):
        model = build_clustering_model(
            build_autoencoder(samples.shape[1:], half), np.zeros((3, 4), np.float32), alpha=1.0
        )
    assert dtypes(model) == {"bfloat16", "float32"}
    assert model.get_layer("clustering").compute_dtype == "float32"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert dtypes(build_autoencoder(samples.shape[1:], settings)) == {"float32"}


def test_the_policy_is_as_before_even_after_an_error(half):
    with pytest.raises(RuntimeError), building_for(half):
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


def test_the_single_precision_twin_has_the_same_weights_and_nearly_the_same_outputs(samples, half):
    with building_for(half):
        autoencoder = build_autoencoder(samples.shape[1:], half)
        model = build_clustering_model(autoencoder, np.ones((3, 4), np.float32), alpha=1.0)
    twin = in_single_precision(model, samples.shape[1:], half)
    assert dtypes(twin) == {"float32"}
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    images = samples[:8].astype(np.float32)
    expected, found = (net.predict_on_batch(images)["reconstruction"] for net in (twin, model))
    np.testing.assert_allclose(found.astype(np.float32), expected, atol=0.05 * np.abs(expected).max())
    assert not np.array_equal(found, expected)


def test_training_in_half_precision_finds_the_same_clusters_and_is_repeatable(samples, half, trained, tmp_path):
    models = [train(samples, half, folder=tmp_path / str(number)) for number in range(2)]
    assert adjusted_rand_score(models[0].labels, trained.labels) == 1
    for one, other in zip(*(model.model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    assert dtypes(load_model(tmp_path / "0" / "dec.keras")) == {"float32"}
    for found, single in zip(models[0].model.get_weights(), trained.model.get_weights(), strict=True):
        assert found.shape == single.shape
    assert not np.array_equal(models[0].model.get_weights()[0], trained.model.get_weights()[0])
