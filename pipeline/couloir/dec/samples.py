"""Read spectrograms batch by batch from anything that can be indexed, in memory or not."""

import sys
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig
from couloir.errors import TrainingError

ENCODING_BATCH = 256
"""Samples read and encoded at once where no gradient is taken."""
RUN = 64
"""Neighbours that stay in one group of batches: the archive's chunk."""


class Samples(Protocol):
    """Hold N spectrograms of shape (F, T, C) and give those asked for; a NumPy array does."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, F, T, C): samples, frequencies, times, components."""

    def __len__(self) -> int:
        """Give the number of samples, N."""

    def __getitem__(self, indices: NDArray[np.int64], /) -> NDArray[np.float16]:
        """Give the samples at ``indices`` (n,), in their order, as (n, F, T, C)."""


class Subset:
    """View some samples as if they were all; what is not asked for is not read.

    Attributes
    ----------
    origin
        Spectrograms (N, F, T, C).
    chosen
        Indices (n,) int64 of the samples in view.
    """

    def __init__(self, origin: Samples, chosen: NDArray[np.int64]) -> None:
        self.origin, self.chosen = origin, chosen

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, F, T, C)."""
        return (len(self.chosen), *self.origin.shape[1:])

    @property
    def in_memory(self) -> bool:
        """Whether all samples are in this machine's memory."""
        return is_in_memory(self.origin)

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, indices: NDArray[np.int64]) -> NDArray[np.float16]:
        return self.origin[self.chosen[indices]]


def is_in_memory(samples: Samples) -> bool:
    """Say whether reading some samples costs nothing, since all are in memory."""
    return isinstance(samples, np.ndarray) or getattr(samples, "in_memory", False)


def read_batch(samples: Samples, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read some samples as the float32 that the networks compute in."""
    return np.asarray(samples[indices], dtype=np.float32)


def sequential_batches(count: int, batch: int) -> Iterator[NDArray[np.int64]]:
    """Give the indices 0 to ``count`` - 1 in order, ``batch`` at a time; the last may be shorter."""
    for start in range(0, count, batch):
        yield np.arange(start, min(start + batch, count), dtype=np.int64)


def shuffled_groups(
    count: int,
    batch: int,
    *,
    generator: np.random.Generator,
    together: int,
    skip: int = 0,
    until: int | None = None,
) -> Iterator[list[NDArray[np.int64]]]:
    """Give shuffled batches in groups: every sample once an epoch, in a new order each epoch.

    Up to ``together`` samples are shuffled all with all, and an epoch is one group. Of more, runs of neighbours
    are shuffled first, and then the samples of each group of runs: a group can be read at once, in long
    stretches, where samples do not fit into memory, and it is the same groups where they do.

    The last batch of an epoch may be shorter; nothing is dropped. Which samples share a batch is
    random; within it they are sorted, which no mean over the batch notices and chunked storage likes.
    With ``skip`` that many batches are passed over, as if they had been taken. The batches end with the one
    of number ``until``, those passed over counted, or never.
    """
    left = sys.maxsize if until is None else until - skip
    together = max(together // batch, 1) * batch
    epochs, taken = divmod(skip, count_batches(count, batch))
    for _ in range(epochs):
        _shuffle(count, generator, together)
    while left > 0:
        order = _shuffle(count, generator, together)
        for start in range(0, count, together):
            group = order[start : start + together]
            batches = [np.sort(group[first : first + batch]) for first in range(0, len(group), batch)]
            kept, taken = batches[taken:], max(taken - len(batches), 0)
            kept = kept[: max(left, 0)]
            left -= len(kept)
            if kept:
                yield kept


def _shuffle(count: int, generator: np.random.Generator, together: int) -> NDArray[np.int64]:
    if count <= together:
        return generator.permutation(count).astype(np.int64)
    runs = np.array_split(np.arange(count, dtype=np.int64), np.arange(RUN, count, RUN))
    order = np.concatenate([runs[number] for number in generator.permutation(len(runs))])
    for start in range(0, count, together):
        generator.shuffle(order[start : start + together])
    return order


def count_batches(count: int, batch: int) -> int:
    """Count the batches of an epoch, the short last one included."""
    return -(-count // batch)


def check_samples(samples: Samples, settings: TrainConfig, *, pause: Callable[[], None] = lambda: None) -> None:
    """Refuse samples that cannot be trained on; ``pause`` is called between parts of them.

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
    _check_finite(samples, pause)


def _check_finite(samples: Samples, pause: Callable[[], None]) -> None:
    bad = []
    for indices in sequential_batches(len(samples), ENCODING_BATCH):
        pause()
        bad.append(indices[~np.isfinite(samples[indices]).all(axis=(1, 2, 3))])
    found = np.concatenate(bad)
    if found.size:
        raise TrainingError(
            f"{found.size} of {len(samples)} spectrograms hold NaN or infinite values; the first is at index "
            f"{found[0]}. Drop them, or run the detection again for their station-days."
        )
