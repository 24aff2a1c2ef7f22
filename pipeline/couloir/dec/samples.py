"""Read spectrograms batch by batch from anything that can be indexed, in memory or not."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig
from couloir.errors import TrainingError

ENCODING_BATCH = 256
"""Samples read and encoded at once where no gradient is taken."""


class Samples(Protocol):
    """Hold N spectrograms of shape (F, T, C) and give those asked for; a NumPy array does."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, F, T, C): samples, frequencies, times, components."""

    def __len__(self) -> int:
        """Give the number of samples, N."""

    def __getitem__(self, indices: NDArray[np.int64], /) -> NDArray[np.float16]:
        """Give the samples at ``indices`` (n,), in their order, as (n, F, T, C)."""


def read_batch(samples: Samples, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read some samples as the float32 that the networks compute in."""
    return np.asarray(samples[indices], dtype=np.float32)


def sequential_batches(count: int, batch: int) -> Iterator[NDArray[np.int64]]:
    """Give the indices 0 to ``count`` - 1 in order, ``batch`` at a time; the last may be shorter."""
    for start in range(0, count, batch):
        yield np.arange(start, min(start + batch, count), dtype=np.int64)


def shuffled_batches(
    count: int, batch: int, *, generator: np.random.Generator, skip: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Give shuffled batches without end: every sample once an epoch, in a new order each epoch.

    The last batch of an epoch may be shorter; nothing is dropped. Which samples share a batch is
    random; within it they are sorted, which no mean over the batch notices and chunked storage likes.
    With ``skip`` that many batches are passed over, as if they had been taken.
    """
    epochs, taken = divmod(skip, count_batches(count, batch))
    for _ in range(epochs):
        generator.permutation(count)
    while True:
        order = generator.permutation(count).astype(np.int64)
        first, taken = taken * batch, 0
        for start in range(first, count, batch):
            yield np.sort(order[start : start + batch])


def count_batches(count: int, batch: int) -> int:
    """Count the batches of an epoch, the short last one included."""
    return -(-count // batch)


def check_samples(samples: Samples, settings: TrainConfig) -> None:
    """Refuse samples that cannot be trained on.

    Raises
    ------
    TrainingError
        When they are not (N, F, T, C), fewer than two for each cluster, or not all finite.
    """
    if len(samples.shape) != 4:
        raise TrainingError(
            f"Spectrograms of shape (N, frequencies, times, components) are needed; found {samples.shape}."
        )
    needed = 2 * settings.clusters
    if len(samples) < needed:
        raise TrainingError(
            f"Found {len(samples)} spectrograms; {settings.clusters} clusters (train.clusters) need at least "
            f"{needed}. Detect over more days or stations, lower detect.on_factor, or ask for fewer clusters."
        )
    _check_finite(samples)


def _check_finite(samples: Samples) -> None:
    bad = [
        indices[~np.isfinite(samples[indices]).all(axis=(1, 2, 3))]
        for indices in sequential_batches(len(samples), ENCODING_BATCH)
    ]
    found = np.concatenate(bad)
    if found.size:
        raise TrainingError(
            f"{found.size} of {len(samples)} spectrograms hold NaN or infinite values; the first is at index "
            f"{found[0]}. Drop them, or run the detection again for their station-days."
        )
