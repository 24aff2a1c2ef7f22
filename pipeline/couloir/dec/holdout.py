"""Keep a share of the samples out of training, so that what is measured on them is honest."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from couloir.config import TrainConfig
from couloir.dec.seeds import make_generator


class Parts(NamedTuple):
    """Say which samples are trained on and which held out: indices in rising order, together 0 to N - 1."""

    fit: NDArray[np.int64]
    held: NDArray[np.int64]


def hold_out(count: int, settings: TrainConfig, groups: ArrayLike | None = None) -> Parts:
    """Split samples into those to train on and those held out, by chance but repeatably.

    Samples of one group stay together: the windows that several stations record of one source, or that
    continue one trigger, resemble each other more than new events resemble either. Groups are held out
    in random order while they fit into ``settings.holdout`` of the samples, and while two samples a
    cluster are left to train on.

    Parameters
    ----------
    count
        Samples, N.
    settings
        The run file's ``train`` section.
    groups
        (N,) a number a sample; each sample is its own group when not given.

    Returns
    -------
    Parts
    """
    most = max(min(int(settings.holdout * count), count - 2 * settings.clusters), 0)
    if not most:
        return Parts(np.arange(count, dtype=np.int64), np.empty(0, np.int64))
    named = np.arange(count) if groups is None else np.asarray(groups)
    if named.shape != (count,):
        raise ValueError(f"one group for each of {count} samples is needed; found {named.shape}")
    _, member, sizes = np.unique(named, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(sizes), bool)
    room = most
    for group in make_generator(settings.seed, "holdout").permutation(len(sizes)):
        if sizes[group] <= room:
            chosen[group], room = True, room - sizes[group]
    held = chosen[member]
    return Parts(np.flatnonzero(~held).astype(np.int64), np.flatnonzero(held).astype(np.int64))
