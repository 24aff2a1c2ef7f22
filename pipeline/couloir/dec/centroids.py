"""Find cluster centres in the latent space of an autoencoder that comes without any."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.keeper import never_stop
from couloir.dec.kmeans import run_kmeans
from couloir.dec.networks import encoder_of
from couloir.dec.predict import predict
from couloir.dec.samples import Samples, check_samples


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
    return run_kmeans(latent, settings.clusters, starts=settings.kmeans_starts, seed=settings.seed)[0]
