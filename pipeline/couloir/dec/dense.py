"""Build the fully connected autoencoder of deep embedded clustering.

Source: Xie, Girshick and Farhadi (2016), Unsupervised deep embedding for clustering analysis, ICML,
section 5.2; trained from end to end, not layer by layer.
"""

import math

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.layers import LATENT, RECONSTRUCTION, initializer


def encode_dense(image: keras.KerasTensor, settings: TrainConfig) -> keras.KerasTensor:
    """Lead pixels in one row through layers of ``settings.units`` to the linear layer ``latent``."""
    x = keras.layers.Flatten(name="flatten")(image)
    for number, units in enumerate(settings.units, start=1):
        x = _dense(units, f"encoder_{number}", settings, activation=settings.activation)(x)
    return _dense(settings.latent, LATENT, settings)(x)


def decode_dense(latent: keras.KerasTensor, shape: tuple[int, ...], settings: TrainConfig) -> keras.KerasTensor:
    """Lead latent vectors back through the same layers in reverse to a linear one of the input's size."""
    x = latent
    for number, units in enumerate(reversed(settings.units), start=1):
        x = _dense(units, f"decoder_{number}", settings, activation=settings.activation)(x)
    x = _dense(math.prod(shape), "pixels", settings)(x)
    return keras.layers.Reshape(shape, name=RECONSTRUCTION)(x)


def _dense(units: int, name: str, settings: TrainConfig, *, activation: str = "linear") -> keras.layers.Dense:
    first = initializer(settings, name)
    return keras.layers.Dense(units, activation=activation, kernel_initializer=first, name=name)
