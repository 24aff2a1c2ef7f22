"""Let training compute in bfloat16, and give the result back in single precision.

Source: Micikevicius et al. (2018), Mixed precision training, ICLR; bfloat16 has float32's range, so that losses
need no scaling.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.clustering import CLUSTERING, build_clustering_model
from couloir.dec.networks import build_autoencoder

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@contextmanager
def building_for(settings: TrainConfig) -> Iterator[None]:
    """Build layers that compute in ``settings.precision``; their weights are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[settings.precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_single_precision(model: keras.Model, shape: Sequence[int], settings: TrainConfig) -> keras.Model:
    """Give a clustering model that computes in float32 with the weights of one that may not."""
    if settings.precision == "float32":
        return model
    centroids = np.zeros(model.get_layer(CLUSTERING).centroids.shape, np.float32)
    single = build_clustering_model(build_autoencoder(shape, settings), centroids, alpha=settings.alpha)
    single.set_weights(model.get_weights())
    return single
