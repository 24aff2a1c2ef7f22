"""Notice clusterings that have come to nothing: empty clusters, one that holds all, or q without opinion."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DOMINANT_SHARE = 0.95
"""A cluster with more of the samples than this has swallowed the others."""

INDECISION = 1.05
"""q is called uniform when its largest entry is, on average, less than this times 1 / K."""


def find_collapse(q: NDArray[np.floating[Any]]) -> tuple[str, ...]:
    """Say in which ways soft assignments have collapsed.

    Parameters
    ----------
    q
        Soft assignments (N, K) of the whole archive.

    Returns
    -------
    tuple of str
        One sentence for each way; empty when the clustering is sound.
    """
    count, clusters = q.shape
    sizes = np.bincount(q.argmax(axis=1), minlength=clusters)
    notes = []
    empty = np.flatnonzero(sizes == 0)
    if empty.size:
        notes.append(f"{empty.size} of {clusters} clusters are empty ({', '.join(map(str, empty))})")
    largest = int(sizes.argmax())
    if sizes[largest] > DOMINANT_SHARE * count:
        notes.append(f"cluster {largest} holds {sizes[largest] / count:.1%} of the samples")
    decision = float(q.max(axis=1).mean())
    if decision < INDECISION / clusters:
        bounds = f"its largest entry is {decision:.3f} on average, 1/K is {1 / clusters:.3f}"
        notes.append(f"q is uniform: {bounds}")
    return tuple(notes)
