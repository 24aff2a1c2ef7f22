"""Find cluster centres in the latent space of an autoencoder, from which clustering begins."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.clustering import build_clustering_model
from couloir.dec.keeper import never_stop
from couloir.dec.kmeans import nearest, run_kmeans
from couloir.dec.networks import encoder_of
from couloir.dec.predict import predict
from couloir.dec.samples import Samples, check_samples


def begin_clustering(
    autoencoder: keras.Model,
    latent: NDArray[np.float32],
    settings: TrainConfig,
    *,
    fit: NDArray[np.int64] | None = None,
) -> tuple[keras.Model, NDArray[np.int32]]:
    """Put the centres that k-means finds among latent vectors on their autoencoder, for the joint phase to move.

    Parameters
    ----------
    autoencoder
        Pre-trained; its weights are shared, not copied.
    latent
        Latent vectors (N, D) that it gives.
    settings
        ``clusters``, ``kmeans_starts``, ``seed`` and ``alpha`` are used.
    fit
        Indices of the vectors to look among; all of them when not given.

    Returns
    -------
    model, labels
        As `couloir.dec.clustering.build_clustering_model` gives it, and the labels (N,) of k-means; vectors that
        it did not look among have their nearest centre's.
    """
    among = latent if fit is None else latent[fit]
    centroids, labels = _run_kmeans(among, settings)
    if fit is not None:
        of_fit, labels = labels, nearest(latent, centroids)
        labels[fit] = of_fit
    return build_clustering_model(autoencoder, centroids, alpha=settings.alpha), labels


def find_centroids(
    autoencoder: keras.Model,
    samples: Samples,
    settings: TrainConfig,
    *,
    pause: Callable[[], None] = never_stop,
) -> NDArray[np.float32]:
    """Find the centres (K, D) that k-means finds among the latent vectors of samples, as training begins with.

    Parameters
    ----------
    autoencoder
        Pre-trained.
    samples
        Spectrograms (N, F, T, C).
    settings
        ``clusters``, ``kmeans_starts`` and ``seed`` are used.
    pause
        Called between batches; what it raises ends the work.

    Raises
    ------
    TrainingError
        When the samples are too few, or not all finite.
    """
    check_samples(samples, settings)
    latent = predict(encoder_of(autoencoder), samples, pause=pause)
    return _run_kmeans(latent, settings)[0]


def _run_kmeans(
    latent: NDArray[np.float32], settings: TrainConfig
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    return run_kmeans(latent, settings.clusters, starts=settings.kmeans_starts, seed=settings.seed)
