"""Try numbers of clusters on one pre-trained autoencoder: decode centroids, and go a short joint phase."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from couloir.config import TrainConfig
from couloir.dec.assign import Assignment, assign
from couloir.dec.backend import describe_backend, keras
from couloir.dec.centroids import begin_clustering
from couloir.dec.checkpoint import State
from couloir.dec.joint import cluster
from couloir.dec.keeper import Keeper
from couloir.dec.kmeans import nearest
from couloir.dec.lighten import Load, until_it_fits
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.networks import build_autoencoder, decoder_of, encoder_of
from couloir.dec.precision import building_for
from couloir.dec.predict import predict
from couloir.dec.pretrain import pretrain
from couloir.dec.samples import ENCODING_BATCH, Samples, read_batch


@dataclass(frozen=True)
class Pretrained:
    """Hold an autoencoder that was pre-trained for several numbers of clusters.

    Attributes
    ----------
    autoencoder
        From spectrograms to their reconstructions.
    latent
        Of the samples, (N, D).
    load
        What memory it was trained with: the batch that was asked for, or what had to do.
    """

    autoencoder: keras.Model
    latent: NDArray[np.float32]
    load: Load


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
) -> Pretrained:
    """Pre-train an autoencoder, which no number of clusters changes, and encode the samples.

    Where memory runs out it begins again with half the batch, and says so.

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
    identity = {"phase": "pre-training for several numbers of clusters", "backend": str(backend)}

    def attempt(load: Load, earlier: State) -> keras.Model:
        return _pretrain(load, settings, earlier, progress=progress, keeper=keeper)

    autoencoder, load = until_it_fits(attempt, Load(samples, settings.batch), keeper=keeper, identity=identity)
    keeper.release()
    if settings.precision != "float32":
        autoencoder = rebuild(samples.shape[1:], settings, autoencoder.get_weights())
    return Pretrained(autoencoder, predict(encoder_of(autoencoder), load.samples, pause=keeper.pause), load)


def _pretrain(
    load: Load, wanted: TrainConfig, earlier: State, *, progress: Progress, keeper: Keeper
) -> keras.Model:
    settings = wanted.model_copy(update={"batch": load.batch})
    with building_for(settings):
        autoencoder = build_autoencoder(load.samples.shape[1:], settings)
    with _passing_log(earlier.get("log")) as log:
        keeper.follow("log", log.state)
        keeper.follow("batch", lambda: load.batch)
        pretrain(
            autoencoder,
            load.samples,
            settings=settings,
            log=log,
            progress=progress,
            keeper=keeper,
            earlier=earlier.get("pretrain"),
        )
    return autoencoder


@contextmanager
def _passing_log(earlier: State | None = None) -> Iterator[TrainingLog]:
    """Give a log that nobody keeps, but checkpoints."""
    with (
        tempfile.TemporaryDirectory(prefix="couloir-select-") as folder,
        TrainingLog(Path(folder) / "log.csv", earlier=earlier) as log,
    ):
        yield log


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
    load = Load(samples, settings.batch)
    for seed in (settings.seed, settings.seed + 1):
        assignment, load = _refine(weights, load, settings.of_seed(seed), latent=latent, pause=pause)
        labels.append(assignment.cluster)
        errors.append(float(assignment.reconstruction_error.mean()))
    agreement = float(adjusted_rand_score(*labels))
    return Refined(agreement, float(np.mean(errors)), labels[0])


def _refine(
    weights: Sequence[NDArray[np.float32]],
    load: Load,
    wanted: TrainConfig,
    *,
    latent: NDArray[np.float32],
    pause: Callable[[], None],
) -> tuple[Assignment, Load]:
    keeper = Keeper(check_stop=pause)

    def attempt(load: Load, _: State) -> Assignment:
        settings = wanted.model_copy(update={"batch": load.batch})
        autoencoder = rebuild(load.samples.shape[1:], settings, weights)
        model = begin_clustering(autoencoder, latent, settings)[0]
        with _passing_log() as log:
            cluster(model, load.samples, settings=settings, log=log, keeper=keeper)
        return assign(model, load.samples)

    return until_it_fits(attempt, load, keeper=keeper, identity={})
