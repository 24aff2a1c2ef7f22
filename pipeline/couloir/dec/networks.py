"""Build the autoencoder whose latent vectors are clustered, and take it apart."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.dense import decode_dense, encode_dense
from couloir.dec.layers import LATENT, RECONSTRUCTION, initializer
from couloir.dec.pooled import check_pooled, decode_pooled, encode_pooled
from couloir.dec.strided import Doubling, Halving
from couloir.errors import TrainingError

__all__ = ["LATENT", "RECONSTRUCTION", "build_autoencoder", "decoder_of", "encoder_of"]


class _Stage(NamedTuple):
    """Say what size a convolution of stride 2 leads to, and by which padding; its transpose leads back."""

    inner: tuple[int, int]
    padding: Literal["same", "valid"]


def build_autoencoder(shape: Sequence[int], settings: TrainConfig) -> keras.Model:
    """Build an untrained autoencoder: spectrogram to latent vector and back.

    Of the ``convolutional`` network the encoder is one convolution of stride 2 for each of
    ``settings.filters``, then a linear dense layer, ``latent``; the decoder a dense layer, then
    transposed convolutions back to the input's shape, the last one, ``reconstruction``, linear. Where both
    sizes are odd the convolution has no padding (Guo et al. 2017, DCEC: 28, 14, 7, 3). With the
    default settings and (128, 128, 3) it is the network published for Luhu, of 449,035 parameters.
    ``dense`` and ``pooled`` are in the modules of their names.

    Parameters
    ----------
    shape
        (F, T, C) of a spectrogram.
    settings
        ``network``, ``filters``, ``kernel``, ``units``, ``latent``, ``activation``, ``initializer`` and
        ``seed`` are used.

    Returns
    -------
    keras.Model
        From (N, F, T, C) to (N, F, T, C).

    Raises
    ------
    TrainingError
        When the shape does not fit the network.
    """
    shape = tuple(shape)
    image = keras.Input(shape, name="spectrogram")
    if settings.network == "dense":
        reconstruction = decode_dense(encode_dense(image, settings), shape, settings)
    elif settings.network == "pooled":
        check_pooled(shape, settings)
        reconstruction = decode_pooled(encode_pooled(image, settings), shape, settings)
    else:
        stages = _plan_stages(shape, settings)
        reconstruction = _decode(_encode(image, stages, settings), shape, stages, settings)
    return keras.Model(image, reconstruction, name="autoencoder")


def encoder_of(model: keras.Model) -> keras.Model:
    """Give the part of a model from spectrogram to latent vector; it shares the model's weights."""
    return keras.Model(model.inputs[0], model.get_layer(LATENT).output, name="encoder")


def decoder_of(model: keras.Model) -> keras.Model:
    """Give the part of a model from latent vector to reconstruction; it shares the model's weights."""
    latent, image = model.get_layer(LATENT).output, model.get_layer(RECONSTRUCTION).output
    return keras.Model(latent, image, name="decoder")


def _plan_stages(shape: Sequence[int], settings: TrainConfig) -> list[_Stage]:
    stages, size = [], (shape[0], shape[1])
    for kernel in settings.kernels:
        parities = {length % 2 for length in size}
        if parities == {0}:
            stage = _Stage((size[0] // 2, size[1] // 2), "same")
        elif parities == {1} and kernel % 2 and kernel <= min(size):
            stage = _Stage(((size[0] - kernel) // 2 + 1, (size[1] - kernel) // 2 + 1), "valid")
        else:
            raise TrainingError(
                f"Spectrograms of {shape[0]} frequencies x {shape[1]} times cannot pass {len(settings.filters)} "
                f"convolutions of stride 2 (train.filters), of which one meets {size[0]} x {size[1]} with a "
                f"kernel of {kernel}: both must be multiples of {2 ** len(settings.filters)}."
            )
        stages.append(stage)
        size = stage.inner
    return stages


def _encode(image: keras.KerasTensor, stages: list[_Stage], settings: TrainConfig) -> keras.KerasTensor:
    x = image
    layers = zip(settings.filters, settings.kernels, stages, strict=True)
    for number, (filters, kernel, stage) in enumerate(layers, start=1):
        x = Halving(
            filters,
            kernel,
            strides=2,
            padding=stage.padding,
            activation=settings.activation,
            kernel_initializer=initializer(settings, f"encoder_{number}"),
            name=f"encoder_{number}",
        )(x)
    x = keras.layers.Flatten(name="flatten")(x)
    first = initializer(settings, LATENT)
    return keras.layers.Dense(settings.latent, kernel_initializer=first, name=LATENT)(x)


def _decode(
    latent: keras.KerasTensor, shape: tuple[int, ...], stages: list[_Stage], settings: TrainConfig
) -> keras.KerasTensor:
    *outer, deepest = settings.filters
    coarse = (*stages[-1].inner, deepest)
    x = keras.layers.Dense(
        math.prod(coarse),
        activation=settings.activation,
        kernel_initializer=initializer(settings, "expand"),
        name="expand",
    )(latent)
    x = keras.layers.Reshape(coarse, name="unflatten")(x)
    names = [f"decoder_{number}" for number in range(1, len(outer) + 1)]
    channels = (*reversed(outer), shape[2])
    mirrored = zip((*names, RECONSTRUCTION), channels, reversed(settings.kernels), reversed(stages), strict=True)
    for name, filters, kernel, stage in mirrored:
        x = Doubling(
            filters,
            kernel,
            strides=2,
            padding=stage.padding,
            activation="linear" if name == RECONSTRUCTION else settings.activation,
            kernel_initializer=initializer(settings, name),
            name=name,
        )(x)
    return x
