"""Find network events: onsets on several stations within a short time."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

NONE = -1
"""The number of an onset that belongs to no network event."""


def associate(
    onsets: NDArray[np.int64], stations: NDArray[np.int64], *, at_least: int, within: int
) -> NDArray[np.int64]:
    """Find the network event that each onset belongs to.

    A network event begins at an onset and holds all onsets of the following `within` ns, if they are of `at_least`
    stations. Where a later onset in that time would gather more stations, the event begins there, so that a stray
    trigger just before does not tear it; what is left over is looked through again.

    Parameters
    ----------
    onsets : ndarray of int64, shape (n,)
        ns since the epoch, in any order.
    stations : ndarray of int64, shape (n,)
        A number for each onset's station.
    at_least : int
        Stations.
    within : int
        Longest time between the first and the last onset of an event, ns.

    Returns
    -------
    ndarray of int64, shape (n,)
        Numbers from 0 in order of time, or -1 for an onset without company.
    """
    order = np.lexsort((stations, onsets))
    starts = np.full(len(order), NONE, np.int64)  # for each onset, the first of its event
    left = np.arange(len(order))
    for wait_for_more in (True, False):
        times, names = onsets[order[left]], stations[order[left]].tolist()
        for first, last in _spans(times, names, at_least, within, wait_for_more=wait_for_more):
            starts[left[first:last]] = left[first]
        left = np.flatnonzero(starts == NONE)
    found, numbers = np.unique(starts, return_inverse=True)
    out = np.empty(len(order), np.int64)
    out[order] = numbers - int(NONE in found)
    return out


def _spans(
    times: NDArray[np.int64], names: list[int], at_least: int, within: int, *, wait_for_more: bool
) -> Iterator[tuple[int, int]]:
    """Give the first position of each event, and the one after its last."""
    ends = np.searchsorted(times, times + within, side="right")
    counts = _distinct(names, ends)
    first = 0
    while first < len(times):
        best = first + int(np.argmax(counts[first : ends[first]]))
        if wait_for_more and counts[best] > counts[first]:
            first = best
        elif counts[first] >= at_least:
            yield first, int(ends[first])
            first = int(ends[first])
        else:
            first += 1


def _distinct(names: list[int], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the different names from each position up to its end; the ends do not go back."""
    counts = np.empty(len(names), np.int64)
    held: Counter[int] = Counter()
    reached = 0
    for first, last in enumerate(ends.tolist()):
        held.update(names[reached:last])
        reached = last
        counts[first] = len(held)
        held[names[first]] -= 1
        if not held[names[first]]:
            del held[names[first]]
    return counts
