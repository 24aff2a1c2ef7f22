"""Write down a trained model and what a reader needs to judge it."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from couloir.config import TrainConfig
from couloir.dec.assign import Assignment
from couloir.dec.backend import describe_backend, keras
from couloir.dec.clustering import CLUSTERING, kl_divergence, target_distribution
from couloir.dec.joint import Clustered
from couloir.dec.seeds import make_generator

MODEL, LOG, METRICS = "dec.keras", "log.csv", "metrics.json"

SILHOUETTE_SAMPLES = 5000
"""The silhouette compares every pair: larger archives are judged by this many samples."""


def save_model(model: keras.Model, path: Path) -> None:
    """Write a model as ``.keras``: the same bytes for the same model, whenever it is written.

    A killed run leaves the old file or none, never half a one.
    """
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    model.save(partial)
    partial.write_bytes(_without_chance(partial))
    partial.replace(path)


def _without_chance(path: Path) -> bytes:
    """Give a ``.keras`` file, a zip, without the time of its writing and the addresses of objects."""
    buffer = io.BytesIO()
    numbers: dict[int, int] = {}

    def plain(found: dict[str, Any]) -> dict[str, Any]:
        found.pop("date_saved", None)
        if (address := found.get("shared_object_id")) is not None:
            found["shared_object_id"] = numbers.setdefault(address, len(numbers))
        return found

    with zipfile.ZipFile(path) as written, zipfile.ZipFile(buffer, "w") as rewritten:
        for name in sorted(written.namelist()):
            content = written.read(name)
            if name.endswith(".json"):
                content = json.dumps(json.loads(content, object_hook=plain)).encode()
            rewritten.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def write_metrics(metrics: Mapping[str, Any], path: Path) -> None:
    """Write metrics as JSON."""
    path.write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def gather_metrics(
    model: keras.Model,
    assignment: Assignment,
    *,
    settings: TrainConfig,
    clustered: Clustered,
    notes: tuple[str, ...],
) -> dict[str, Any]:
    """Gather what ``metrics.json`` holds.

    Losses are of the model as kept, over all samples, without noise. ``silhouette`` is that of the
    model's labels in its latent space, from -1 to 1, null where there is only one cluster; it knows
    no classes and says nothing of whether the clusters are the field's.
    """
    kl = kl_divergence(target_distribution(assignment.q, balance=settings.target_balance), assignment.q)
    reconstruction = float(assignment.reconstruction_error.mean())
    layer = model.get_layer(CLUSTERING)
    sizes = np.bincount(assignment.cluster, minlength=settings.clusters)
    return {
        "seed": settings.seed,
        "samples": len(assignment),
        "shape": [int(size) for size in model.inputs[0].shape[1:]],
        "batch": min(settings.batch, len(assignment)),
        "epochs": settings.epochs,
        "iterations": clustered.iterations,
        "best_iteration": clustered.best_iteration,
        "stopped_because": clustered.stopped_because,
        "loss": {
            "joint": settings.kl_weight * kl + settings.reconstruction_weight * reconstruction,
            "reconstruction": reconstruction,
            "kl": kl,
        },
        "cluster_sizes": sizes.tolist(),
        "silhouette": score_silhouette(assignment.latent, assignment.cluster, seed=settings.seed),
        "collapse": list(clustered.kept_collapse),
        "notes": list(notes),
        "parameters": {
            "autoencoder": model.count_params() - layer.count_params(),
            "centroids": int(np.prod(layer.centroids.shape)),
        },
        "weights_sha256": hash_weights(model),
        "backend": describe_backend(),
    }


def describe_import(model: keras.Model) -> dict[str, Any]:
    """Gather what ``metrics.json`` holds of a model that was not trained here."""
    layer = model.get_layer(CLUSTERING)
    return {
        "shape": [int(size) for size in model.inputs[0].shape[1:]],
        "parameters": {
            "autoencoder": model.count_params() - layer.count_params(),
            "centroids": int(np.prod(layer.centroids.shape)),
        },
        "weights_sha256": hash_weights(model),
        "backend": describe_backend(),
    }


def score_silhouette(latent: NDArray[np.float32], labels: NDArray[np.int32], *, seed: int) -> float | None:
    """Give the mean silhouette of labels (N,) in the latent space (N, D), or None where it has none."""
    if len(labels) > SILHOUETTE_SAMPLES:
        chosen = make_generator(seed, "silhouette").choice(len(labels), SILHOUETTE_SAMPLES, replace=False)
        latent, labels = latent[chosen], labels[chosen]
    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(latent, labels))


def hash_weights(model: keras.Model) -> str:
    """Hash a model's weights, in order, as float32 bytes: equal for equal models."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight, dtype="<f4").tobytes())
    return digest.hexdigest()
