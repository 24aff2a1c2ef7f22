"""Give batches of samples: rows of a table on the accelerator, or read, ahead of time where reading is slow."""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from couloir.dec.backend import Tensor
from couloir.dec.resident import Resident
from couloir.dec.samples import Samples, is_in_memory, read_batch

STEPS = 50
"""Steps that the accelerator makes, at most, before this program looks at it again."""

Indices = NDArray[np.int64]


class Drawn(NamedTuple):
    """Hold the batches of s steps, of n samples each.

    Attributes
    ----------
    indices
        Which samples they are, (s, n) int64.
    table
        Where they are gathered from, (M, F, T, C).
    places
        Rows of the table, int32: (1, n), or (``STEPS``, n), of which the first s count, so that few programs are
        compiled.
    """

    indices: Indices
    table: Tensor
    places: NDArray[np.int32]


class Feed:
    """Give the batches of a training: one at a time, or several where the samples lie on the accelerator.

    It is a context: at its end nothing is read any longer.

    Parameters
    ----------
    samples
        Spectrograms (N, F, T, C).
    groups
        Groups of batches, as `couloir.dec.samples.shuffled_groups` gives them.
    """

    def __init__(self, samples: Samples, groups: Iterator[list[Indices]]) -> None:
        self._resident = samples if isinstance(samples, Resident) else None
        self._read = read_ahead(samples, [] if self._resident else groups)
        self._batches = (batch for group in groups for batch in group) if self._resident else iter(())
        self._next = next(self._batches, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()

    def draw(self, most: int) -> Drawn:
        """Give the next batches, ``most`` at most, all of one size."""
        if self._resident is None:
            indices, images = next(self._read)
            return Drawn(indices[None], images, np.arange(len(indices), dtype=np.int32)[None])
        taken: list[Indices] = []
        while self._next is not None and len(taken) < min(most, STEPS):
            if taken and len(self._next) != len(taken[0]):
                break
            taken.append(self._next)
            self._next = next(self._batches, None)
        indices = np.stack(taken)
        places = self._resident.rows[indices]
        if len(taken) > 1:
            places = np.concatenate([places, np.zeros((STEPS - len(taken), len(taken[0])), np.int32)])
        return Drawn(indices, self._resident.table, places)


def read_ahead(
    samples: Samples, groups: Iterable[list[Indices]]
) -> Generator[tuple[Indices, NDArray[np.float32]], None, None]:
    """Read batch after batch; from samples that are not in memory a group at once, while the one before is used.

    Yields
    ------
    tuple
        Indices (n,) and samples (n, F, T, C) of a batch.
    """
    if is_in_memory(samples):
        for group in groups:
            for batch in group:
                yield batch, read_batch(samples, batch)
        return
    coming = ((group, _start_reading(samples, group)) for group in groups)
    now = next(coming, None)
    while now is not None:
        group, reading = now
        numbers, held = reading.result()
        now = next(coming, None)
        for batch in group:
            yield batch, np.asarray(held[np.searchsorted(numbers, batch)], np.float32)


def _start_reading(samples: Samples, group: list[Indices]) -> Future[tuple[Indices, NDArray[np.float16]]]:
    """Read a group in a thread of its own, which a program that is stopped does not wait for."""
    done: Future[tuple[Indices, NDArray[np.float16]]] = Future()

    def read() -> None:
        try:
            numbers = np.sort(np.concatenate(group))
            done.set_result((numbers, samples[numbers]))
        except BaseException as error:
            done.set_exception(error)

    Thread(target=read, name="read ahead", daemon=True).start()
    return done
