"""Assign spectrograms to the clusters of a trained model, and say how sure and how well drawn each one is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from couloir.dec.backend import keras
from couloir.dec.clustering import CLUSTERING, ClusteringLayer
from couloir.dec.log import Progress, no_progress
from couloir.dec.networks import LATENT, RECONSTRUCTION
from couloir.dec.predict import predict_batches
from couloir.dec.samples import ENCODING_BATCH, Samples
from couloir.errors import MissingStageError, TrainingError

FIELDS = 8
"""Along each axis, in which the residual is averaged; somewhat more where the size is no multiple."""


@dataclass(frozen=True)
class Assignment:
    """Hold what a model says of N spectrograms.

    Attributes
    ----------
    latent
        Latent vectors, (N, D) float32.
    q
        Soft assignments, (N, K) float32; rows sum to 1.
    cluster
        Cluster of the largest q, (N,) int32.
    confidence
        The largest q, (N,) float32; between 1 / K and 1.
    margin
        The largest q less the second largest, (N,) float32; between 0 and 1.
    reconstruction_error
        Mean squared error of each spectrogram's reconstruction, (N,) float32, in the spectrogram's
        units squared.
    residual
        Spectrogram less reconstruction, averaged over each of about 8 x 8 fields of each component, (N, R)
        float32, in the spectrogram's units: where the error lies and of which sign it is.
    """

    latent: NDArray[np.float32]
    q: NDArray[np.float32]
    cluster: NDArray[np.int32]
    confidence: NDArray[np.float32]
    margin: NDArray[np.float32]
    reconstruction_error: NDArray[np.float32]
    residual: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.cluster)

    def at(self, indices: NDArray[np.int64]) -> "Assignment":
        """Give what the model says of some of the spectrograms."""
        return Assignment(**{name: values[indices] for name, values in vars(self).items()})

    @property
    def place(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Latent vectors, reconstruction errors and residuals: what novelty is told from."""
        return self.latent, self.reconstruction_error, self.residual


def load_model(path: Path) -> keras.Model:
    """Load a model that training has written; no code of the file's own is run.

    Parameters
    ----------
    path
        The ``.keras`` file.

    Returns
    -------
    keras.Model
        From spectrograms (N, F, T, C) to ``{"q", "reconstruction"}``.

    Raises
    ------
    MissingStageError
        When there is no such file.
    TrainingError
        When it cannot be read, or is not a clustering model of Couloir's.
    """
    if not path.is_file():
        raise MissingStageError(f"There is no trained model at {path}. Train one first: couloir train.")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its readers do: ValueError, KeyError ...
        raise TrainingError(
            f"{path} cannot be read as a Keras model ({type(error).__name__}: {error}). It may be damaged, "
            "or written by a newer Keras; train again with: couloir train."
        ) from error
    layers = {layer.name: layer for layer in model.layers}
    if not isinstance(layers.get(CLUSTERING), ClusteringLayer) or not {LATENT, RECONSTRUCTION} <= set(layers):
        raise TrainingError(
            f"{path} is a Keras model, but not one that couloir train wrote: it lacks a layer "
            f"{LATENT!r}, {CLUSTERING!r} or {RECONSTRUCTION!r}. Give the dec.keras of a run's model folder."
        )
    return model


def assign(
    model: keras.Model,
    samples: Samples,
    *,
    batch: int = ENCODING_BATCH,
    progress: Progress = no_progress,
) -> Assignment:
    """Assign spectrograms to clusters by the model's own q.

    Parameters
    ----------
    model
        A model that ``train`` made or ``load_model`` read.
    samples
        Spectrograms (N, F, T, C), made as those of the training were.
    batch
        Samples read and passed through the network at once.
    progress
        Told the phase ``assign`` after each batch.

    Raises
    ------
    TrainingError
        When the spectrograms have not the shape of the model's input.
    """
    _check_shape(model, samples)
    predictor = _build_predictor(model)
    clusters, latent_size = model.get_layer(CLUSTERING).centroids.shape
    fields = predictor.outputs[-1].shape[1]
    parts = [(np.empty((0, latent_size)), np.empty((0, clusters)), np.empty(0), np.empty((0, fields)))]
    for done, outputs in predict_batches(predictor, samples, batch=batch):
        parts.append(outputs)
        progress("assign", done, len(samples), "")
    columns = (np.concatenate(column).astype(np.float32) for column in zip(*parts, strict=True))
    latent, q, error, residual = columns
    top = np.sort(q, axis=1)
    cluster = q.argmax(axis=1).astype(np.int32)
    return Assignment(
        latent=latent,
        q=q,
        cluster=cluster,
        confidence=top[:, -1],
        margin=top[:, -1] - top[:, -2],
        reconstruction_error=error,
        residual=residual,
    )


def _check_shape(model: keras.Model, samples: Samples) -> None:
    expected = tuple(model.inputs[0].shape[1:])
    if tuple(samples.shape[1:]) != expected:
        raise TrainingError(
            f"The model takes spectrograms of (frequencies, times, components) {expected}; found "
            f"{tuple(samples.shape[1:])}. Use the spectrogram settings of its training, or train again."
        )


def _build_predictor(model: keras.Model) -> keras.Model:
    """Build the model that gives latent vectors, q, errors and residuals, leaving the images inside."""
    image = model.inputs[0]
    latent, q, reconstruction = (model.get_layer(name).output for name in (LATENT, CLUSTERING, RECONSTRUCTION))
    difference = image - reconstruction
    error = keras.ops.mean(keras.ops.square(difference), axis=(1, 2, 3))
    residual = keras.layers.Flatten(name="residual")(_mean_of_fields(difference))
    return keras.Model(image, (latent, q, error, residual), name="predictor")


def _mean_of_fields(images: keras.KerasTensor) -> keras.KerasTensor:
    """Average images (N, F, T, C) over fields; what remains of the sizes at the upper ends is left out."""
    _, frequencies, times, components = images.shape
    height, width = max(frequencies // FIELDS, 1), max(times // FIELDS, 1)
    rows, columns = frequencies // height, times // width
    cut = images[:, : rows * height, : columns * width]
    fields = keras.ops.reshape(cut, (-1, rows, height, columns, width, components))
    return keras.ops.mean(fields, axis=(2, 4))
