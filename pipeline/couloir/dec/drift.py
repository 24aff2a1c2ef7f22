"""Measure how far new events are from those a model was trained on."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from couloir.dec.assign import Assignment
from couloir.dec.backend import keras
from couloir.dec.clustering import CLUSTERING
from couloir.dec.typical import Ratios, ratios_to_typical

_HALF = 0.5
"""Added to every count, so that an empty cluster has a logarithm (Krichevsky-Trofimov)."""


def ratios_to_training(model: keras.Model, assignment: Assignment) -> Ratios:
    """Compare events with the medians that training left in the model."""
    layer = model.get_layer(CLUSTERING)
    return ratios_to_typical(layer, assignment.latent, assignment.reconstruction_error, assignment.cluster)


def population_stability(before: ArrayLike, now: ArrayLike) -> float:
    """Give the population stability index of two counts (K,) over the same clusters.

    The sum over clusters of (q - p) ln(q / p), with p and q the shares before and now, which is the symmetric
    Kullback-Leibler divergence (Jeffreys): 0 where the shares are equal. By the usual reading of credit scoring
    (Siddiqi 2006) below 0.1 is stable and above 0.25 is another population.

    Parameters
    ----------
    before, now
        Events of each cluster; half an event is added to each.
    """
    p, q = (_shares(np.asarray(counts, np.float64)) for counts in (before, now))
    return float(np.sum((q - p) * np.log(q / p)))


def stability_by_chance(before: ArrayLike, now: ArrayLike, *, probability: float = 0.999) -> float:
    """Give the population stability index that two draws from one population do not exceed with this probability.

    Of n and m events in K clusters the index over (1/n + 1/m) is distributed as chi-squared with K - 1 degrees of
    freedom (Yurdakul 2018, Statistical properties of population stability index).

    Parameters
    ----------
    before, now
        Events of each cluster.
    probability
        Between 0 and 1.
    """
    n, m = (max(float(np.sum(counts)), 1.0) for counts in (before, now))
    return float(chi2.ppf(probability, np.size(before) - 1) * (1 / n + 1 / m))


def _shares(counts: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    raised = counts + _HALF
    return np.asarray(raised / raised.sum(), np.float64)
