"""Run a network over all samples, batch by batch."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from couloir.dec.backend import keras
from couloir.dec.keeper import never_stop
from couloir.dec.samples import ENCODING_BATCH, Samples, read_batch, sequential_batches


def predict(
    network: keras.Model, samples: Samples, *, pause: Callable[[], None] = never_stop
) -> NDArray[np.float32]:
    """Give a network's output for every sample, in order.

    Keras' own ``predict`` wants the samples in memory or a data set; this wants them indexed only.

    Parameters
    ----------
    network
        From spectrograms (n, F, T, C) to (n, ...).
    samples
        Spectrograms (N, F, T, C).
    pause
        Called after each batch.
    """
    parts = []
    for indices in sequential_batches(len(samples), ENCODING_BATCH):
        parts.append(network.predict_on_batch(read_batch(samples, indices)))
        pause()
    return np.concatenate(parts)
