from pathlib import Path

import numpy as np
import pytest

from couloir.config import TrainConfig
from couloir.dec.clustering import build_clustering_model
from couloir.dec.networks import build_autoencoder, decoder_of

FOLDER = Path(__file__).parents[2] / "../shared/data/luhu-model"

PUBLISHED_NAMES = {
    "encoder_1": ("Conv_1",),
    "encoder_2": ("Conv_2",),
    "encoder_3": ("Conv_3",),
    "encoder_4": ("Conv_4",),
    "latent": ("encoded",),
    "expand": ("dense", "dense_1"),
    "decoder_1": ("ConvT_1",),
    "decoder_2": ("ConvT_2",),
    "decoder_3": ("ConvT_3",),
    "reconstruction": ("decoded",),
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published weights are not in ../shared/data")


def read_weights(name):
    """Read every array of a legacy Keras h5 file, by layer and weight."""
    import h5py

    arrays = {}
    with h5py.File(FOLDER / name) as file:
        file.visititems(
            lambda path, item: (
                arrays.__setitem__((path.split("/")[0], path.split("/")[-1].removesuffix(":0")), item[()])
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return arrays


@pytest.fixture(scope="module")
def luhu():
    autoencoder = build_autoencoder((128, 128, 3), TrainConfig())
    return build_clustering_model(autoencoder, np.zeros((6, 64), np.float32), alpha=1.0)


def assign_published(model, arrays):
    """Move published arrays into a model; give the layers that received all of theirs."""
    received = set()
    for ours, theirs in PUBLISHED_NAMES.items():
        layer = model.get_layer(ours)
        (name,) = {layer for layer, _ in arrays} & set(theirs)
        for weight in layer.weights:
            value = arrays.pop((name, weight.name))
            assert tuple(weight.shape) == value.shape
            weight.assign(value)
        received.add(ours)
    return received


@pytest.mark.parametrize("name", ["Pretrain_autoencoder.h5", "dcec_model_final.h5"])
def test_published_weights_fit_the_network_one_for_one(luhu, name):
    arrays = read_weights(name)
    received = assign_published(luhu, arrays)
    with_weights = {layer.name for layer in luhu.layers if layer.weights}
    assert received == with_weights - {"clustering"}
    centroids = arrays.pop(("clustering", "clusters"), None)
    assert arrays == {}
    if name.startswith("dcec"):
        assert centroids.shape == tuple(luhu.get_layer("clustering").centroids.shape)


def test_published_centroids_decoded_and_encoded_again_fall_into_their_own_clusters(luhu):
    arrays = read_weights("dcec_model_final.h5")
    assign_published(luhu, arrays)
    centroids = arrays["clustering", "clusters"]
    luhu.get_layer("clustering").centroids.assign(centroids)
    spectrograms = decoder_of(luhu).predict_on_batch(centroids)
    q = luhu.predict_on_batch(spectrograms)["q"]
    np.testing.assert_array_equal(q.argmax(axis=1), np.arange(6))
