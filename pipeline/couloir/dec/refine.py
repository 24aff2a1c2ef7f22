"""Try numbers of clusters on one pre-trained autoencoder: decode centroids, and go a short joint phase."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from couloir.config import TrainConfig
from couloir.dec.assign import assign
from couloir.dec.backend import describe_backend, keras
from couloir.dec.centroids import begin_clustering
from couloir.dec.joint import cluster
from couloir.dec.keeper import Keeper
from couloir.dec.kmeans import nearest
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.networks import build_autoencoder, decoder_of, encoder_of
from couloir.dec.precision import building_for
from couloir.dec.predict import predict
from couloir.dec.pretrain import pretrain
from couloir.dec.samples import ENCODING_BATCH, Samples, read_batch


@dataclass(frozen=True)
class Refined:
    """Hold what a short joint phase came to, from two seeds.

    Attributes
    ----------
    agreement
        ARI of the two models' labels.
    reconstruction
        Mean squared error of the joint models' reconstructions.
    labels
        Of the first seed's model, (N,) int32.
    """

    agreement: float
    reconstruction: float
    labels: NDArray[np.int32]


def pretrain_once(
    samples: Samples, settings: TrainConfig, *, progress: Progress = no_progress, keeper: Keeper | None = None
) -> tuple[keras.Model, NDArray[np.float32]]:
    """Pre-train an autoencoder, which no number of clusters changes, and encode the samples (N, D).

    Parameters
    ----------
    samples
        Spectrograms (N, F, T, C).
    settings
        All but `clusters` and the joint phase's are used.
    progress, keeper
        As for `couloir.dec.training.train`.
    """
    keeper = keeper or Keeper()
    backend = describe_backend()
    earlier = keeper.load({"phase": "pre-training for several numbers of clusters", "backend": str(backend)})
    with building_for(settings):
        autoencoder = build_autoencoder(samples.shape[1:], settings)
    with (
        tempfile.TemporaryDirectory(prefix="couloir-select-") as folder,
        TrainingLog(Path(folder) / "log.csv", earlier=earlier.get("log")) as log,
    ):
        keeper.follow("log", log.state)
        before = earlier.get("pretrain")
        pretrain(
            autoencoder, samples, settings=settings, log=log, progress=progress, keeper=keeper, earlier=before
        )
        keeper.release()
    if settings.precision != "float32":
        autoencoder = rebuild(samples.shape[1:], settings, autoencoder.get_weights())
    return autoencoder, predict(encoder_of(autoencoder), samples, pause=keeper.pause)


def rebuild(shape: Sequence[int], settings: TrainConfig, weights: Sequence[NDArray[np.float32]]) -> keras.Model:
    """Build an autoencoder with the weights of a trained one."""
    autoencoder = build_autoencoder(shape, settings)
    autoencoder.set_weights(list(weights))
    return autoencoder


def centroid_error(
    autoencoder: keras.Model,
    samples: Samples,
    *,
    chosen: NDArray[np.int64],
    vectors: NDArray[np.float32],
    centroids: NDArray[np.float32],
) -> float:
    """Give the mean squared error of spectrograms against the picture of their centroid.

    Parameters
    ----------
    autoencoder
        Whose decoder draws the centroids.
    samples
        Spectrograms (N, F, T, C).
    chosen, vectors
        Indices (n,) of those to compare, and their latent vectors (n, D).
    centroids
        (K, D).
    """
    pictures = decoder_of(autoencoder).predict_on_batch(centroids)
    own = nearest(vectors, centroids)
    total = 0.0
    for first in range(0, len(chosen), ENCODING_BATCH):
        part = slice(first, first + ENCODING_BATCH)
        error = np.square(read_batch(samples, chosen[part]) - pictures[own[part]])
        total += float(error.mean(axis=(1, 2, 3), dtype=np.float64).sum())
    return total / len(chosen)


def refine(
    weights: Sequence[NDArray[np.float32]],
    samples: Samples,
    settings: TrainConfig,
    *,
    latent: NDArray[np.float32],
    pause: Callable[[], None],
) -> Refined:
    """Go the joint phase twice from one pre-trained autoencoder, with other k-means starts and batches.

    Parameters
    ----------
    weights
        Of the pre-trained autoencoder.
    samples
        Spectrograms (N, F, T, C).
    settings
        `clusters` and the joint phase's settings, `max_iterations` above all.
    latent
        The pre-trained latent vectors (N, D).
    pause
        Called between steps; what it raises ends the work.
    """
    labels, errors = [], []
    for seed in (settings.seed, settings.seed + 1):
        mine = settings.of_seed(seed)
        autoencoder = rebuild(samples.shape[1:], mine, weights)
        model, _ = begin_clustering(autoencoder, latent, mine)
        with (
            tempfile.TemporaryDirectory(prefix="couloir-select-") as folder,
            TrainingLog(Path(folder) / "log.csv") as log,
        ):
            cluster(model, samples, settings=mine, log=log, keeper=Keeper(check_stop=pause))
        assignment = assign(model, samples)
        labels.append(assignment.cluster)
        errors.append(float(assignment.reconstruction_error.mean()))
    agreement = float(adjusted_rand_score(*labels))
    return Refined(agreement, float(np.mean(errors)), labels[0])
