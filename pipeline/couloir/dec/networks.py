"""Build the convolutional autoencoder whose latent vectors are clustered, and take it apart."""

import math
from collections.abc import Sequence

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.seeds import derive_seed
from couloir.errors import TrainingError

LATENT = "latent"
RECONSTRUCTION = "reconstruction"


def build_autoencoder(shape: Sequence[int], settings: TrainConfig) -> keras.Model:
    """Build an untrained autoencoder: spectrogram to latent vector and back.

    Encoder: one convolution of stride 2 with ReLU for each of ``settings.filters``, then a linear
    dense layer, ``latent``. Decoder: a dense layer with ReLU, then transposed convolutions back to
    the input's shape, the last one, ``reconstruction``, linear. With the default settings and
    (128, 128, 3) it is the network published for Luhu, of 449,035 parameters.

    Parameters
    ----------
    shape
        (F, T, C) of a spectrogram; F and T are multiples of 2 to the number of filters.
    settings
        ``filters``, ``kernel``, ``latent`` and ``seed`` are used.

    Returns
    -------
    keras.Model
        From (N, F, T, C) to (N, F, T, C).

    Raises
    ------
    TrainingError
        When the shape cannot be halved once for each filter.
    """
    _check_shape(shape, settings.filters)
    image = keras.Input(tuple(shape), name="spectrogram")
    latent = _encode(image, settings)
    return keras.Model(image, _decode(latent, tuple(shape), settings), name="autoencoder")


def encoder_of(model: keras.Model) -> keras.Model:
    """Give the part of a model from spectrogram to latent vector; it shares the model's weights."""
    return keras.Model(model.inputs[0], model.get_layer(LATENT).output, name="encoder")


def decoder_of(model: keras.Model) -> keras.Model:
    """Give the part of a model from latent vector to reconstruction; it shares the model's weights."""
    latent, image = model.get_layer(LATENT).output, model.get_layer(RECONSTRUCTION).output
    return keras.Model(latent, image, name="decoder")


def _check_shape(shape: Sequence[int], filters: Sequence[int]) -> None:
    halvings = 2 ** len(filters)
    if any(size % halvings for size in shape[:2]):
        raise TrainingError(
            f"Spectrograms of {shape[0]} frequencies x {shape[1]} times cannot pass {len(filters)} "
            f"convolutions of stride 2 (train.filters): both must be multiples of {halvings}."
        )


def _encode(image: keras.KerasTensor, settings: TrainConfig) -> keras.KerasTensor:
    x = image
    for number, filters in enumerate(settings.filters, start=1):
        x = keras.layers.Conv2D(
            filters,
            settings.kernel,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=_initializer(settings, f"encoder_{number}"),
            name=f"encoder_{number}",
        )(x)
    x = keras.layers.Flatten(name="flatten")(x)
    initializer = _initializer(settings, LATENT)
    return keras.layers.Dense(settings.latent, kernel_initializer=initializer, name=LATENT)(x)


def _decode(latent: keras.KerasTensor, shape: tuple[int, ...], settings: TrainConfig) -> keras.KerasTensor:
    *outer, deepest = settings.filters
    halvings = 2 ** len(settings.filters)
    coarse = (shape[0] // halvings, shape[1] // halvings, deepest)
    x = keras.layers.Dense(
        math.prod(coarse),
        activation="relu",
        kernel_initializer=_initializer(settings, "expand"),
        name="expand",
    )(latent)
    x = keras.layers.Reshape(coarse, name="unflatten")(x)
    names = [f"decoder_{number}" for number in range(1, len(outer) + 1)]
    for name, filters in zip((*names, RECONSTRUCTION), (*reversed(outer), shape[2]), strict=True):
        x = keras.layers.Conv2DTranspose(
            filters,
            settings.kernel,
            strides=2,
            padding="same",
            activation="linear" if name == RECONSTRUCTION else "relu",
            kernel_initializer=_initializer(settings, name),
            name=name,
        )(x)
    return x


def _initializer(settings: TrainConfig, layer: str) -> keras.Initializer:
    return keras.initializers.GlorotUniform(seed=derive_seed(settings.seed, f"weights of {layer}"))
