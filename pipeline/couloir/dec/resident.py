"""Hold a whole data set on the accelerator in half precision, so that batches are gathered there."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from couloir.dec.accelerator import free_memory, is_out_of_memory
from couloir.dec.backend import Tensor, keras
from couloir.dec.keeper import never_stop
from couloir.dec.samples import Samples, Subset

_SHARE = 0.4
"""Of the accelerator's free memory the samples take this much at most: they are there twice while the parts that
they came in are joined, and steps need room, too."""
_AT_ONCE = 4096
"""Samples that are read and sent at once."""


class Resident(Subset):
    """View samples that lie on the accelerator; by index they are read from where they came.

    Attributes
    ----------
    origin, chosen
        Where the samples came from, and which of those are in view.
    table
        The samples of ``origin`` on the accelerator, (N, F, T, C), in the precision they came in: an archive's is
        float16.
    rows
        (n,) int32: ``chosen``, as the accelerator takes it.
    """

    def __init__(self, origin: Samples, table: Tensor, chosen: NDArray[np.int64]) -> None:
        super().__init__(origin, chosen)
        self.table, self.rows = table, chosen.astype(np.int32)


def make_resident(samples: Samples, *, pause: Callable[[], None] = never_stop) -> Resident:
    """Put samples (N, F, T, C) on the accelerator, and call ``pause`` between parts of them."""
    count, parts = len(samples), []
    for start in range(0, count, _AT_ONCE):
        pause()
        some = np.arange(start, min(start + _AT_ONCE, count), dtype=np.int64)
        parts.append(keras.ops.convert_to_tensor(samples[some]))
    table = parts[0] if len(parts) == 1 else keras.ops.concatenate(parts)
    return Resident(samples, table, np.arange(count, dtype=np.int64))


def settle(samples: Samples, *, pause: Callable[[], None] = never_stop) -> Samples:
    """Put samples on the accelerator if there is one and they fit; otherwise give them back as they are."""
    size = int(np.prod(samples.shape, dtype=np.int64)) * np.dtype(getattr(samples, "dtype", np.float16)).itemsize
    if size > _SHARE * free_memory():
        return samples
    try:
        return make_resident(samples, pause=pause)
    except Exception as error:
        if is_out_of_memory(error):
            return samples
        raise


def narrow(samples: Samples, chosen: NDArray[np.int64]) -> Samples:
    """View some samples as if they were all, wherever they lie."""
    if isinstance(samples, Resident):
        return Resident(samples.origin, samples.table, samples.chosen[chosen])
    return Subset(samples, chosen)
