"""Find how clusters nest: a tree that merges the two nearest again and again, until one is left."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Merge:
    """Hold one merge of a tree.

    Attributes
    ----------
    left, right
        Nodes that are merged: a cluster id, or the `node` of an earlier merge.
    node
        Number of what they make; from the number of cluster ids on.
    increase
        By how much the merge raises the sum of squared distances to the centroids, in latent units squared.
    height
        Share of the events' whole sum of squares about their mean that is lost by this merge and those
        before it: from 0, every cluster by itself, to what the clusters explain together, at the root.
    events
        Events in what they make.
    """

    left: int
    right: int
    node: int
    increase: float
    height: float
    events: int


@dataclass(frozen=True)
class MergeTree:
    """Hold the merges of clusters, nearest first, and the clusters in an order in which no lines cross.

    Attributes
    ----------
    merges
        One fewer than there are leaves.
    leaves
        Cluster ids that have events, from one end of the drawing to the other.
    clusters
        Number of cluster ids, those without events included; merges are numbered from here.
    """

    merges: tuple[Merge, ...]
    leaves: tuple[int, ...]
    clusters: int


def merge_tree(vectors: NDArray[np.float32], labels: NDArray[np.int32], clusters: int) -> MergeTree:
    """Merge clusters by Ward's criterion, on their mean vectors weighted by their sizes.

    Of all pairs the one is merged that least raises the sum of squares about the means, by
    n m / (n + m) |a - b|^2 for means a, b of n and m events: k-means' own objective, so that a cut of the
    tree is the coarser clustering that k-means would find least bad among those nested in this one. A
    linkage that forgets the sizes (single, average) joins a rare class to its neighbour last when it lies
    far away, however few events it would cost; here what a merge costs is told in events' own scatter.

    Source: Ward (1963), Hierarchical grouping to optimize an objective function, JASA 58, 236-244.

    Parameters
    ----------
    vectors
        Latent vectors (N, D).
    labels
        Clusters (N,), from 0 to `clusters` - 1; others belong to none and are left out.
    clusters
        Number of cluster ids, K. Those without events are left out.

    Returns
    -------
    MergeTree
    """
    known = (labels >= 0) & (labels < clusters)
    points, own = vectors[known].astype(np.float64), labels[known]
    sizes = {int(k): int(n) for k, n in zip(*np.unique(own, return_counts=True), strict=True)}
    means = {k: points[own == k].mean(axis=0) for k in sizes}
    whole = float(np.square(points - points.mean(axis=0)).sum()) if len(points) else 0.0
    within = sum(float(np.square(points[own == k] - means[k]).sum()) for k in sizes)
    explained = max(whole - within, 0.0)
    merges: list[Merge] = []
    lost = 0.0
    while len(means) > 1:
        increase, left, right = _nearest(means, sizes)
        node, events = clusters + len(merges), sizes[left] + sizes[right]
        lost += increase
        height = min(lost, explained) / whole if whole else 0.0
        merges.append(Merge(left, right, node, increase, height, events))
        means[node] = (sizes[left] * means.pop(left) + sizes[right] * means.pop(right)) / events
        sizes[node] = events
    return MergeTree(tuple(merges), _leaves(merges, tuple(means)), clusters)


def _nearest(means: dict[int, NDArray[np.float64]], sizes: dict[int, int]) -> tuple[float, int, int]:
    """Find the pair whose merge raises the sum of squares least; of equal ones the first."""
    nodes = sorted(means)
    pairs = [(a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :]]
    weights = np.array([sizes[a] * sizes[b] / (sizes[a] + sizes[b]) for a, b in pairs])
    gaps = np.array([np.square(means[a] - means[b]).sum() for a, b in pairs])
    least = int(np.argmin(weights * gaps))
    return float(weights[least] * gaps[least]), *pairs[least]


def _leaves(merges: list[Merge], top: tuple[int, ...]) -> tuple[int, ...]:
    """Give the leaves below what is left, left before right."""
    pairs = {merge.node: (merge.left, merge.right) for merge in merges}
    order, waiting = [], list(reversed(top))
    while waiting:
        node = waiting.pop()
        if node in pairs:
            waiting.extend(reversed(pairs[node]))
        else:
            order.append(node)
    return tuple(order)
