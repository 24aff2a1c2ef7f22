"""Build a model from a weights file of Keras 2 (HDF5), by what the file holds and not by its names.

Names do not tell: the published file calls the decoder's dense layer ``dense_1`` where the published program
makes a layer ``dense``, and loading by name leaves that layer as it was drawn, at random, without a word. The
order in which the file lists its layers, the order of each layer's weights, and their shapes do tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.hdf5 import Hdf5File
from couloir.dec.networks import build_autoencoder
from couloir.errors import ModelFileError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FEWEST = 2
"""Cluster centres, at least: one has no second to be compared with."""


@dataclass(frozen=True, eq=False)
class StoredLayer:
    """Hold a layer's weights, float32, in the order of the file.

    Attributes
    ----------
    name : str
        What the file calls it.
    weights : tuple of ndarray
    """

    name: str
    weights: tuple[NDArray[np.float32], ...]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The weights' shapes."""
        return tuple(weight.shape for weight in self.weights)

    @property
    def holds_centroids(self) -> bool:
        """Whether it is a clustering layer: one matrix and nothing else."""
        return len(self.weights) == 1 and self.weights[0].ndim == 2


def read_layers(data: bytes, *, name: str) -> tuple[StoredLayer, ...]:
    """Read the layers that have weights, in the order in which the file lists them.

    Parameters
    ----------
    data
        The file: what ``save_weights`` or ``save`` of Keras 2 wrote with the ending h5.
    name
        What to call the file in an error.

    Raises
    ------
    ModelFileError
        When it is no such file, points outside of itself, declares more than it holds, or holds values
        that are not finite.
    """
    if not data.startswith(_SIGNATURE):
        raise ModelFileError(f"{name} is not an HDF5 file. Give the weights that Keras wrote, ending in .h5.")
    try:
        with Hdf5File(data).opened() as file:
            layers = _read_layers(file)
    except ValueError as error:
        raise ModelFileError(f"{name} is damaged, or not what Keras writes: {error}. Fetch it again.") from error
    if layers is None:
        raise ModelFileError(
            f"{name} does not list its layers (layer_names): it is no weights file of Keras 2. Write one "
            "with model.save_weights('weights.h5')."
        )
    for layer in layers:
        if not all(np.isfinite(weight).all() for weight in layer.weights):
            raise ModelFileError(f"{name}: the weights of layer {layer.name!r} are not all finite numbers.")
    return tuple(layer for layer in layers if layer.weights)


def build_from(
    layers: Sequence[StoredLayer], shape: Sequence[int], settings: TrainConfig, *, name: str
) -> keras.Model:
    """Build the autoencoder of the settings with the weights of a file: each one used, each one once.

    Parameters
    ----------
    layers
        As `read_layers` gives them; cluster centres among them are left out.
    shape
        (F, T, C) of a spectrogram.
    settings
        ``filters``, ``kernel`` and ``latent`` are used.
    name
        What to call the file in an error.

    Returns
    -------
    keras.Model
        From spectrograms (N, F, T, C) to their reconstructions.

    Raises
    ------
    ModelFileError
        Naming the layers that are missing, too much or of another shape.
    """
    autoencoder = build_autoencoder(shape, settings)
    wanted = [layer for layer in autoencoder.layers if layer.weights]
    found = [layer for layer in layers if not layer.holds_centroids]
    _refuse_misfit(wanted, found, name=name)
    for layer, stored in zip(wanted, found, strict=True):
        layer.set_weights(list(stored.weights))
    return autoencoder


def centroids_of(layers: Sequence[StoredLayer], settings: TrainConfig, *, name: str) -> NDArray[np.float32] | None:
    """Give the cluster centres (K, D) of a file; None where it has none, as that of a pre-trained autoencoder.

    Raises
    ------
    ModelFileError
        When there are several tables, one of another latent space than ``latent`` says, or fewer than two centres.
    """
    tables = [layer for layer in layers if layer.holds_centroids]
    if not tables:
        return None
    if len(tables) != 1 or tables[0].shapes[0][1] != settings.latent:
        told = ", ".join(f"{layer.name} {_shapes_in_words(layer.shapes)}" for layer in tables)
        raise ModelFileError(
            f"{name} holds the tables {told}: one table of cluster centres (clusters, {settings.latent}) is "
            "needed, as train.latent says. Set that as the file's network has it, or give another file."
        )
    if len(tables[0].weights[0]) < _FEWEST:
        raise ModelFileError(
            f"{name} holds {len(tables[0].weights[0])} cluster centres ({tables[0].name}); {_FEWEST} or more are "
            "needed. Give another file, or the weights of the autoencoder alone: k-means then finds the centres."
        )
    return tables[0].weights[0]


def _read_layers(file: Hdf5File) -> tuple[StoredLayer, ...] | None:
    """Read all layers; None where the file does not list them."""
    root = "model_weights/" if file.has_group("model_weights") else ""
    names = file.names(root, "layer_names")
    return None if names is None else tuple(_read_layer(file, root, name) for name in names)


def _read_layer(file: Hdf5File, root: str, name: str) -> StoredLayer:
    weights = file.names(f"{root}{name}", "weight_names")
    if weights is None:
        raise ValueError(f"layer {name!r} does not list its weights (weight_names)")
    return StoredLayer(name, tuple(file.array(f"{root}{name}/{weight}") for weight in weights))


def _refuse_misfit(wanted: Sequence[Any], found: Sequence[StoredLayer], *, name: str) -> None:
    """Compare the two rows of layers by their weights' shapes."""
    ours = [tuple(tuple(weight.shape) for weight in layer.weights) for layer in wanted]
    theirs = [layer.shapes for layer in found]
    missing, too_much = [], []
    for _, a, b, c, d in (
        step for step in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes() if step[0] != "equal"
    ):
        missing += [f"{wanted[i].name} {_shapes_in_words(ours[i])}" for i in range(a, b)]
        too_much += [f"{found[i].name} {_shapes_in_words(theirs[i])}" for i in range(c, d)]
    if missing or too_much:
        told = f"missing: {', '.join(missing) or 'none'}; too much: {', '.join(too_much) or 'none'}"
        raise ModelFileError(
            f"{name} does not fit the network of the run file's train section (filters, kernel, latent) and "
            f"spectrogram.frequencies and times. Layers {told}. {_network_in_words(found)}Set these as the file's "
            "network has them, or give another file."
        )


def _network_in_words(found: Sequence[StoredLayer]) -> str:
    """Say which settings the file's encoder looks like."""
    kernels = [layer.weights[0] for layer in takewhile(lambda layer: layer.weights[0].ndim == 4, found)]
    if not kernels:
        return ""
    return f"Its encoder has filters {[kernel.shape[-1] for kernel in kernels]}, kernel {kernels[0].shape[0]}. "


def _shapes_in_words(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(f"({', '.join(map(str, shape))})" for shape in shapes)
