"""Run a network over all samples, batch by batch."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.dec.accelerator import is_out_of_memory
from couloir.dec.backend import Tensor, keras
from couloir.dec.feed import read_ahead
from couloir.dec.keeper import never_stop
from couloir.dec.resident import Resident
from couloir.dec.samples import ENCODING_BATCH, Samples, sequential_batches
from couloir.errors import TrainingError

_ON_DEVICE = 4096
"""Samples that pass through the network at once where they lie on the accelerator already."""
_TOGETHER = 8
"""Batches that are read at once, ahead of time, from samples that are not in memory."""


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

    Raises
    ------
    TrainingError
        When memory does not suffice for one sample.
    """
    parts = []
    for _, outputs in predict_batches(network, samples):
        parts.append(outputs)
        pause()
    return np.concatenate(parts)


def predict_batches(
    network: keras.Model, samples: Samples, *, batch: int = ENCODING_BATCH
) -> Iterator[tuple[int, Any]]:
    """Give a network's outputs batch by batch, in order, and how many samples are done with each.

    Parameters
    ----------
    network
        From spectrograms (n, F, T, C) to whatever it gives.
    samples
        Spectrograms (N, F, T, C).
    batch
        Samples passed through the network at once.
    """
    for indices, images in _images(samples, batch):
        yield int(indices[-1]) + 1, _run(network, images)


def _run(network: keras.Model, images: Tensor) -> Any:
    """Give a network's outputs in single precision; where memory runs out, half the images at a time."""
    try:
        outputs = network.predict_on_batch(images)
        return keras.tree.map_structure(lambda part: np.asarray(part, np.float32), outputs)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if len(images) < 2:
            raise TrainingError(
                f"Memory ran out while a network was applied to one spectrogram of {tuple(images.shape[1:])}. "
                "Use a machine or GPU with more memory."
            ) from error
    half = len(images) // 2
    parts = _run(network, images[:half]), _run(network, images[half:])
    return keras.tree.map_structure(lambda *both: np.concatenate(both), *parts)


def _images(samples: Samples, batch: int) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    if isinstance(samples, Resident):
        for indices in sequential_batches(len(samples), max(batch, _ON_DEVICE)):
            rows = keras.ops.convert_to_tensor(samples.rows[indices])
            yield indices, keras.ops.cast(keras.ops.take(samples.table, rows, axis=0), "float32")
        return
    batches = sequential_batches(len(samples), batch)
    yield from read_ahead(samples, iter(lambda: list(islice(batches, _TOGETHER)), []))
