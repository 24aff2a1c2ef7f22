"""Build the pooling convolutional autoencoder whose last, smallest maps are the latent vector.

Source: Mousavi, Zhu, Ellsworth and Beroza (2019), Unsupervised clustering of seismic signals using deep
convolutional autoencoders, IEEE GRSL 16: of 16 x 48 pixels, three convolutions of 4, 2 and 1 filters with
pooling leave 2 x 6 x 1 = 12 values.
"""

import math
from collections.abc import Sequence

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.layers import LATENT, RECONSTRUCTION, initializer
from couloir.errors import TrainingError


def check_pooled(shape: Sequence[int], settings: TrainConfig) -> tuple[int, int, int]:
    """Give the shape of the last maps.

    Raises
    ------
    TrainingError
        When the shape cannot be halved once for each filter, or ``settings.latent`` is another length
        than what is left.
    """
    halvings = 2 ** len(settings.filters)
    if any(size % halvings for size in shape[:2]):
        raise TrainingError(
            f"Spectrograms of {shape[0]} frequencies x {shape[1]} times cannot be pooled "
            f"{len(settings.filters)} times by 2 x 2 (train.filters): both must be multiples of {halvings}."
        )
    coarse = (shape[0] // halvings, shape[1] // halvings, settings.filters[-1])
    if settings.latent != math.prod(coarse):
        raise TrainingError(
            f"train.latent is {settings.latent}, but of {shape[0]} frequencies x {shape[1]} times the pooled "
            f"network leaves {coarse[0]} x {coarse[1]} x {coarse[2]} values: set train.latent to "
            f"{math.prod(coarse)}, or choose other train.filters or spectrogram sizes."
        )
    return coarse


def encode_pooled(image: keras.KerasTensor, settings: TrainConfig) -> keras.KerasTensor:
    """Convolve and pool once for each of ``settings.filters``; the last maps, linear, are ``latent``."""
    x = image
    for number, filters in enumerate(settings.filters, start=1):
        last = number == len(settings.filters)
        x = _convolution(filters, number, f"encoder_{number}", settings, linear=last)(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool_{number}")(x)
    return keras.layers.Flatten(name=LATENT)(x)


def decode_pooled(latent: keras.KerasTensor, shape: tuple[int, ...], settings: TrainConfig) -> keras.KerasTensor:
    """Put the latent vector back into maps, and convolve and enlarge them to the input's shape."""
    x = keras.layers.Reshape(check_pooled(shape, settings), name="unflatten")(latent)
    for number, filters in enumerate(reversed(settings.filters), start=1):
        mirrored = len(settings.filters) + 1 - number
        x = _convolution(filters, mirrored, f"decoder_{number}", settings)(x)
        x = keras.layers.UpSampling2D(2, name=f"enlarge_{number}")(x)
    return _convolution(shape[2], 1, RECONSTRUCTION, settings, linear=True)(x)


def _convolution(
    filters: int, number: int, name: str, settings: TrainConfig, *, linear: bool = False
) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters,
        settings.kernels[number - 1],
        padding="same",
        activation="linear" if linear else settings.activation,
        kernel_initializer=initializer(settings, name),
        name=name,
    )
