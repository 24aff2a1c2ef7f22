"""Train a clustering model on spectrograms from nothing: pre-train, initialise, cluster, write."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig
from couloir.dec.assign import assign
from couloir.dec.backend import keras
from couloir.dec.clustering import build_clustering_model
from couloir.dec.joint import cluster
from couloir.dec.kmeans import run_kmeans
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.networks import build_autoencoder, encoder_of
from couloir.dec.notes import note_batch, note_collapse, warn_collapse
from couloir.dec.predict import predict
from couloir.dec.pretrain import pretrain
from couloir.dec.record import LOG, METRICS, MODEL, gather_metrics, save_model, write_metrics
from couloir.dec.reference import keep_reference
from couloir.dec.samples import Samples, check_samples

__all__ = ["LOG", "METRICS", "MODEL", "Progress", "Samples", "Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """Hold a trained model and how its training went.

    Attributes
    ----------
    model
        From spectrograms (N, F, T, C) to ``{"q", "reconstruction"}``, in its best state.
    initial_labels
        Labels of k-means on the pre-trained autoencoder's latent vectors, (N,) int32: the baseline
        that clustering has to beat.
    labels
        The model's own labels, largest q, (N,) int32.
    iterations
        Steps of the joint phase.
    stopped_because
        ``converged``, ``collapsed`` or ``max_iterations``.
    collapse
        What is wrong with the clustering that was kept, a sentence each; empty when it is sound.
    notes
        What else a reader should know, a sentence each.
    """

    model: keras.Model
    initial_labels: NDArray[np.int32]
    labels: NDArray[np.int32]
    iterations: int
    stopped_because: str
    collapse: tuple[str, ...]
    notes: tuple[str, ...]


def train(samples: Samples, settings: TrainConfig, *, folder: Path, progress: Progress | None = None) -> Trained:
    """Train a model and write ``dec.keras``, ``log.csv`` and ``metrics.json``, the last one last.

    The same seed, settings and samples give the same bytes of weights on the same machine's CPU.

    Parameters
    ----------
    samples
        Spectrograms (N, F, T, C), in memory or not; they are read batch by batch.
    settings
        The run file's ``train`` section.
    folder
        Where to write; made if missing.
    progress
        Told the phases ``pretrain``, ``cluster`` and ``assign``, step by step.

    Returns
    -------
    Trained
        The model in its best state (``couloir.dec.joint.cluster`` says which that is).

    Raises
    ------
    TrainingError
        When there are too few samples, samples that are not finite, or a loss that is not.

    Warns
    -----
    CouloirWarning
        When the clustering collapsed.
    """
    check_samples(samples, settings)
    report = no_progress if progress is None else progress
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRICS).unlink(missing_ok=True)
    with TrainingLog(folder / LOG) as log:
        model, initial_labels = _initialise(samples, settings, log=log, progress=report)
        clustered = cluster(model, samples, settings=settings, log=log, progress=report)
        assignment = assign(model, samples, progress=report)
        seconds = log.seconds
    keep_reference(model, assignment)
    notes = (*note_batch(settings, len(samples)), *note_collapse(clustered))
    save_model(model, folder / MODEL)
    metrics = gather_metrics(model, assignment, settings=settings, clustered=clustered, notes=notes)
    write_metrics({**metrics, "seconds": round(seconds, 1)}, folder / METRICS)
    warn_collapse(clustered)
    return Trained(
        model=model,
        initial_labels=initial_labels,
        labels=assignment.cluster,
        iterations=clustered.iterations,
        stopped_because=clustered.stopped_because,
        collapse=clustered.kept_collapse,
        notes=notes,
    )


def _initialise(
    samples: Samples, settings: TrainConfig, *, log: TrainingLog, progress: Progress
) -> tuple[keras.Model, NDArray[np.int32]]:
    """Pre-train an autoencoder and put the centroids that k-means finds in its latent space on it."""
    autoencoder = build_autoencoder(samples.shape[1:], settings)
    for note in note_batch(settings, len(samples)):
        progress("pretrain", 0, settings.epochs, note)
    pretrain(autoencoder, samples, settings=settings, log=log, progress=progress)
    latent = predict(encoder_of(autoencoder), samples)
    centroids, labels = run_kmeans(latent, settings.clusters, starts=settings.kmeans_starts, seed=settings.seed)
    return build_clustering_model(autoencoder, centroids, alpha=settings.alpha), labels
