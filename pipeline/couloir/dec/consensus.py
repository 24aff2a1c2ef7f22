"""Compare clusterings of the same events by several seeds: match their clusters, measure agreement, vote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix


@dataclass(frozen=True)
class Consensus:
    """Hold how far clusterings of the same N events agree.

    Attributes
    ----------
    ari, accuracy
        (R, R) float64, symmetric with 1 on the diagonal: adjusted Rand index (0 for chance), and share of
        events in matched clusters.
    medoid
        The clustering that agrees best with the others: the highest mean ARI; of equal ones the first.
    matched
        (R, N) int32, every clustering's labels in the medoid's numbers.
    labels
        Consensus: the label that most clusterings give an event; of equally frequent ones the medoid's if
        it is among them, else the lowest. (N,) int32.
    agreement
        Share of clusterings that give it, (N,) float32; from 1 / R to 1.
    """

    ari: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    medoid: int
    matched: NDArray[np.int32]
    labels: NDArray[np.int32]
    agreement: NDArray[np.float32]

    @property
    def mean_ari(self) -> float:
        """Mean ARI over the pairs of different clusterings; 1 for a single one."""
        return _mean_of_pairs(self.ari)

    @property
    def mean_accuracy(self) -> float:
        """Mean matched share over the pairs of different clusterings; 1 for a single one."""
        return _mean_of_pairs(self.accuracy)


def match_clusters(reference: NDArray[np.int32], labels: NDArray[np.int32], clusters: int) -> NDArray[np.int32]:
    """Find the renumbering of clusters under which most events have their reference's label.

    Source: Kuhn (1955), The Hungarian method for the assignment problem, Naval Research Logistics 2.

    Parameters
    ----------
    reference, labels
        (N,), both from 0 to `clusters` - 1.
    clusters
        Number of cluster ids, K.

    Returns
    -------
    ndarray of int32, shape (K,)
        The reference's id of each cluster of `labels`: a permutation.
    """
    counts = np.zeros((clusters, clusters), np.int64)
    np.add.at(counts, (labels, reference), 1)
    return np.asarray(linear_sum_assignment(counts, maximize=True)[1], np.int32)


def matched_accuracy(one: NDArray[np.int32], two: NDArray[np.int32]) -> float:
    """Give the share of events in clusters that are matched one to one, as well as can be."""
    counts = contingency_matrix(one, two)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(one))


def find_consensus(runs: Sequence[NDArray[np.int32]], clusters: int) -> Consensus:
    """Match the clusters of several clusterings, and vote.

    Parameters
    ----------
    runs
        Labels (N,) of each of R clusterings, from 0 to `clusters` - 1.
    clusters
        Number of cluster ids, K.

    Raises
    ------
    ValueError
        When there is no clustering, or they are not of the same events.
    """
    if not runs or len({len(labels) for labels in runs}) != 1 or not len(runs[0]):
        raise ValueError("clusterings of the same events, at least one, are needed")
    ari = _pairwise(runs, adjusted_rand_score)
    accuracy = _pairwise(runs, matched_accuracy)
    medoid = int(np.argmax(np.round(ari.sum(axis=1), 12)))
    matched = np.stack([match_clusters(runs[medoid], labels, clusters)[labels] for labels in runs])
    events = np.arange(len(runs[0]))
    votes = np.zeros((len(events), clusters))
    for labels in matched:
        votes[events, labels] += 1
    votes[events, matched[medoid]] += 0.5  # decides between equals, never against more
    chosen = votes.argmax(axis=1).astype(np.int32)
    agreement = (matched == chosen).mean(axis=0).astype(np.float32)
    return Consensus(ari, accuracy, medoid, matched, chosen, agreement)


def _pairwise(
    runs: Sequence[NDArray[np.int32]], compare: Callable[[NDArray[np.int32], NDArray[np.int32]], float]
) -> NDArray[np.float64]:
    matrix = np.eye(len(runs))
    for i in range(len(runs)):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = compare(runs[i], runs[j])
    return matrix


def _mean_of_pairs(matrix: NDArray[np.float64]) -> float:
    pairs = matrix[~np.eye(len(matrix), dtype=bool)]
    return float(pairs.mean()) if pairs.size else 1.0
