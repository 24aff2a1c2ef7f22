"""Train a clustering model on spectrograms from nothing: pre-train, initialise, cluster, write."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig, content_hash
from couloir.dec.accelerator import be_deterministic
from couloir.dec.assign import Assignment, assign
from couloir.dec.backend import describe_backend, keras
from couloir.dec.centroids import begin_clustering
from couloir.dec.checkpoint import FORMAT, State
from couloir.dec.clustering import build_clustering_model
from couloir.dec.holdout import Parts, hold_out
from couloir.dec.joint import cluster
from couloir.dec.keeper import Keeper
from couloir.dec.lighten import Load, until_it_fits
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.networks import build_autoencoder, encoder_of
from couloir.dec.notes import note_batch, note_collapse, note_memory, warn_collapse
from couloir.dec.novelty import NOVELTY, fit_novelty, save_novelty
from couloir.dec.precision import building_for, in_single_precision
from couloir.dec.predict import predict
from couloir.dec.pretrain import pretrain
from couloir.dec.record import LOG, METRICS, MODEL, gather_metrics, save_model, write_metrics
from couloir.dec.reference import keep_reference
from couloir.dec.resident import narrow, settle
from couloir.dec.samples import Samples, check_samples, count_batches

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
        that clustering has to beat. Samples held out of training have their nearest centroid's.
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


def train(
    samples: Samples,
    settings: TrainConfig,
    *,
    folder: Path,
    progress: Progress | None = None,
    keeper: Keeper | None = None,
    parts: Parts | None = None,
    background: Samples | None = None,
) -> Trained:
    """Train a model and write ``dec.keras``, ``novelty.npz``, ``log.csv`` and ``metrics.json``, the last one last.

    The same seed, settings and samples give the same bytes of weights on the same machine's CPU, whether
    training ran through or was killed and went on from a checkpoint. Where memory runs out it starts again with
    half the batch, and says so.

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
    keeper
        Keeps checkpoints and may stop training; what it has kept of the same training is gone on from.
    parts
        Which samples to train on and which to hold out, as `couloir.dec.holdout.hold_out` chooses them, each
        sample by itself when not given.
    background
        Spectrograms (M, F, T, C) known to be noise; not trained on, but novelty knows noise by them.

    Returns
    -------
    Trained
        The model in its best state (``couloir.dec.joint.cluster`` says which that is).

    Raises
    ------
    TrainingError
        When there are too few samples, samples that are not finite, a loss that is not, or too little memory.

    Warns
    -----
    CouloirWarning
        When the clustering collapsed, memory ran out, or a checkpoint could not be used or written.
    """
    if settings.deterministic:
        be_deterministic()
    keeper = keeper or Keeper()
    check_samples(samples, settings, pause=keeper.pause)
    work = _Work(
        samples=settle(samples, pause=keeper.pause),
        parts=hold_out(len(samples), settings) if parts is None else parts,
        background=background,
        folder=folder,
        progress=no_progress if progress is None else progress,
        keeper=keeper,
    )

    def attempt(load: Load, earlier: State) -> Trained:
        return _train(replace(work, samples=load.samples), settings, earlier, batch=load.batch)

    trained, _ = until_it_fits(
        attempt,
        Load(work.samples, settings.batch),
        keeper=keeper,
        identity=_identify(samples, settings),
        count=len(work.parts.fit),
    )
    return trained


@dataclass(frozen=True)
class _Work:
    """Hold what a training is done with, whatever the batch."""

    samples: Samples
    parts: Parts
    background: Samples | None
    folder: Path
    progress: Progress
    keeper: Keeper

    @property
    def seen(self) -> Samples:
        """What training sees."""
        return narrow(self.samples, self.parts.fit) if len(self.parts.held) else self.samples


def _train(work: _Work, wanted: TrainConfig, earlier: State, *, batch: int) -> Trained:
    """Train with batches of one size."""
    samples, seen, keeper = work.samples, work.seen, work.keeper
    settings = wanted.model_copy(update={"batch": batch})
    count = len(work.parts.fit)
    notes = (*note_batch(wanted, count), *note_memory(wanted, batch, count=count))
    work.folder.mkdir(parents=True, exist_ok=True)
    (work.folder / METRICS).unlink(missing_ok=True)
    with TrainingLog(work.folder / LOG, earlier=earlier.get("log")) as log:
        keeper.follow("log", log.state)
        keeper.follow("batch", lambda: batch)
        for note in notes:
            work.progress("pretrain", 0, settings.epochs, note)
        model, initial_labels = _initialise(work, seen, earlier, settings=settings, log=log)
        clustered = cluster(
            model,
            seen,
            settings=settings,
            log=log,
            progress=work.progress,
            keeper=keeper,
            earlier=earlier.get("joint"),
        )
        model = in_single_precision(model, samples.shape[1:], settings)
        assignment = _assign(model, samples, progress=work.progress, keeper=keeper)
        seconds = log.seconds
        known = work.background
        noise = None if known is None else _assign(model, known, progress=no_progress, keeper=keeper)
    keep_reference(model, assignment.at(work.parts.fit))
    notes = (*notes, *note_collapse(clustered))
    metrics = gather_metrics(model, assignment, settings=settings, clustered=clustered, notes=notes)
    own = {"batch": min(batch, count), "held_out": len(work.parts.held), "seconds": round(seconds, 1)}
    save_model(model, work.folder / MODEL)
    _save_novelty(work, settings, assignment, noise)
    write_metrics({**metrics, **own}, work.folder / METRICS)
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


def _save_novelty(work: _Work, settings: TrainConfig, assignment: Assignment, noise: Assignment | None) -> None:
    """Fit novelty to the samples trained on, calibrate it on those held out, and write it."""
    novelty = fit_novelty(
        *assignment.at(work.parts.fit).place,
        clusters=settings.clusters,
        seed=settings.seed,
        background=None if noise is None else noise.place,
    )
    save_novelty(novelty.calibrated(*assignment.at(work.parts.held).place), work.folder / NOVELTY)


def _identify(samples: Samples, settings: TrainConfig) -> dict[str, str]:
    """Name all that decides the bytes that training comes to, but the samples' content."""
    backend = describe_backend()
    return {
        "train settings": content_hash(settings),
        "shape of the spectrograms": str(tuple(int(size) for size in samples.shape)),
        "backend": f"{backend['name']} {backend['version']}, Keras {backend['keras']}, NumPy {np.__version__}",
        "format": str(FORMAT),
    }


def _initialise(
    work: _Work, seen: Samples, earlier: State, *, settings: TrainConfig, log: TrainingLog
) -> tuple[keras.Model, NDArray[np.int32]]:
    """Pre-train an autoencoder and put the centroids that k-means finds in its latent space on it.

    If that was done earlier the model's weights are still to be restored.
    """
    with building_for(settings):
        autoencoder = build_autoencoder(work.samples.shape[1:], settings)
    keeper = work.keeper
    if "joint" in earlier:
        steps = settings.epochs * count_batches(len(seen), settings.batch)
        work.progress("pretrain", steps, steps, "done before")
        labels = earlier["initial_labels"]
        nowhere = np.zeros((settings.clusters, settings.latent), np.float32)
        model = build_clustering_model(autoencoder, nowhere, alpha=settings.alpha)
    else:
        pretrain(
            autoencoder,
            seen,
            settings=settings,
            log=log,
            progress=work.progress,
            keeper=keeper,
            earlier=earlier.get("pretrain"),
        )
        starts = settings.kmeans_starts
        work.progress("k-means", 0, starts, "")
        latent = predict(encoder_of(autoencoder), work.samples, pause=keeper.pause)
        model, labels = begin_clustering(autoencoder, latent, settings, fit=work.parts.fit)
        work.progress("k-means", starts, starts, "")
    keeper.follow("initial_labels", lambda: labels)
    return model, labels


def _assign(model: keras.Model, samples: Samples, *, progress: Progress, keeper: Keeper) -> Assignment:
    """Assign the samples, and stop between batches if that is asked for."""

    def tell(phase: str, done: int, total: int, message: str) -> None:
        progress(phase, done, total, message)
        keeper.pause()

    return assign(model, samples, progress=tell)
