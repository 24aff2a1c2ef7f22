"""Take weights of Keras 2: with the centres of their clusters, or with those that k-means finds in the archive."""

import hashlib
import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.config import DetectConfig, RunConfig, SpectrogramConfig
from couloir.errors import MissingStageError, ModelFileError, StoreError
from couloir.kernels.spectrogram import COMPONENTS
from couloir.stages.card import Card, preprocessing_of, versions
from couloir.stages.incoming import Incoming
from couloir.stages.plan import plan
from couloir.stages.run import open_archive
from couloir.stages.train import in_memory

_DECIDES_ANSWERS = ("network", "activation", "alpha")
"""Settings that change what weights answer, and that the shapes of the weights do not tell."""


def take_weights(
    config: RunConfig,
    data: bytes,
    *,
    name: str,
    names: Mapping[int, str],
    take_settings: bool,
    check: Callable[[], None],
) -> Incoming:
    """Make a model of a file of weights.

    Parameters
    ----------
    config, names, take_settings, check
        As for `couloir.stages.importing.import_model`.
    data : bytes
        The file.
    name : str
        What it is called.

    Raises
    ------
    ModelFileError
        When it holds no model that fits the settings.
    MissingStageError
        When it has no cluster centres, and there are no events to find them among.
    """
    from couloir.dec.clustering import build_clustering_model
    from couloir.dec.legacy import build_from, centroids_of, read_layers

    preprocessing = _preprocessing(config, name, take_settings=take_settings)
    layers = read_layers(data, name=name)
    shape = (config.spectrogram.frequencies, config.spectrogram.times, len(COMPONENTS))
    autoencoder = build_from(layers, shape, config.train, name=name)
    centroids = centroids_of(layers, config.train, name=name)
    found: dict[str, Any] = {}
    if centroids is None:
        centroids, found = _find_centroids(config, autoencoder, name=name, check=check)
    model = build_clustering_model(autoencoder, centroids, alpha=config.train.alpha)
    made = {
        "kind": "imported",
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "layers": [layer.name for layer in layers],
        "network": {name: getattr(config.train, name) for name in _DECIDES_ANSWERS},
        **found,
        "versions": versions(),
    }
    card = Card(preprocessing, len(centroids), dict(names), made)
    return Incoming(card, _files_of(model, name))


def _find_centroids(
    config: RunConfig, autoencoder: Any, *, name: str, check: Callable[[], None]
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Find cluster centres among the archive's events, and say for the card how that was done."""
    from couloir.dec.centroids import find_centroids

    try:
        events = open_archive(config, plan(config))
    except StoreError as error:
        raise MissingStageError(
            f"{name} holds no cluster centres, as a pre-trained autoencoder does; k-means finds them among the "
            f"archive's events, and these are not there yet. {error}"
        ) from error
    settings = config.train
    centroids = find_centroids(autoencoder, in_memory(events, check), settings, pause=check)
    return centroids, {
        "centroids": f"k-means on {len(events):,} events of this archive",
        "kmeans": {
            "archive": events.digest,
            "clusters": settings.clusters,
            "kmeans_starts": settings.kmeans_starts,
            "seed": settings.seed,
        },
    }


def _preprocessing(config: RunConfig, name: str, *, take_settings: bool) -> dict[str, object]:
    here = preprocessing_of(config.detect, config.spectrogram)
    published = preprocessing_of(DetectConfig(), SpectrogramConfig())
    unlike = [key for key, value in published.items() if key != "detect.band" and here[key] != value]
    if unlike and not take_settings:
        told = ", ".join(f"{key} {published[key]} -> {here[key]}" for key in unlike)
        raise ModelFileError(
            f"{name} is taken to be trained on the published spectrograms, and this run's are made otherwise: "
            f"{told}. Set these back; or, if it was trained on spectrograms as the run file makes them, say so "
            "with --take-settings."
        )
    return here if take_settings else published


def _files_of(model: Any, name: str) -> dict[str, bytes]:
    """Give the files of a model; what only a training knows is left empty."""
    from couloir.dec.record import LOG, METRICS, MODEL, describe_import, save_model, write_metrics

    labels = io.BytesIO()
    np.save(labels, np.empty(0, np.int32), allow_pickle=False)
    with tempfile.TemporaryDirectory(prefix="couloir-import-") as here:
        save_model(model, Path(here) / MODEL)
        write_metrics({"imported": name, **describe_import(model)}, Path(here) / METRICS)
        written = {file: (Path(here) / file).read_bytes() for file in (MODEL, METRICS)}
    return {**written, LOG: b"", "initial_labels.npy": labels.getvalue()}
