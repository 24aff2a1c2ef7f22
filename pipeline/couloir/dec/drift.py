"""Measure how far new events are from those a model was trained on."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, f

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

    Of n and m independent events in K clusters the index over (1/n + 1/m) is distributed as chi-squared with
    K - 1 degrees of freedom (Yurdakul 2018, Statistical properties of population stability index). Windows of
    one source are not independent: they make the index larger by the design effect, which is estimated from
    the G groups of the events now and taken to be that of those before, too. The estimate has an error of its
    own, so that F with K - 1 and (K - 1) (G - 1) degrees of freedom takes the place of chi-squared over K - 1
    (Thomas and Rao 1987, Small-sample comparisons of level and power for simple goodness-of-fit statistics
    under cluster sampling, Journal of the American Statistical Association 82, 630-636).

    Parameters
    ----------
    before
        (K,) events of each cluster.
    now
        (G, K) events of each cluster in each group, groups being independent; (K,) where every event is.
    probability
        Between 0 and 1.

    Returns
    -------
    float
        Infinite with fewer than two groups, of which nothing can be said.
    """
    counts = np.asarray(now, np.float64)
    n, m = (max(float(np.sum(sizes)), 1.0) for sizes in (before, counts))
    freedom = counts.shape[-1] - 1
    if counts.ndim == 1:
        return float(chi2.ppf(probability, freedom) * (1 / n + 1 / m))
    if len(counts) < 2:
        return float("inf")
    quantile = f.ppf(probability, freedom, freedom * (len(counts) - 1))
    return float(freedom * quantile * design_effect(counts) * (1 / n + 1 / m))


def design_effect(counts: ArrayLike) -> float:
    """Say by what factor grouping raises the variance of shares, at least 1.

    The mean of the generalised design effects of K shares, by the variance between groups (Rao and Scott 1981,
    The analysis of categorical data from complex sample surveys, Journal of the American Statistical
    Association 76, 221-230). Groups that are of one source each have the effect of their size.

    Parameters
    ----------
    counts
        (G, K) events of each cluster in each of at least two groups.
    """
    table = np.asarray(counts, np.float64)
    sizes, total = table.sum(axis=1), table.sum()
    table = table[:, table.any(axis=0)]
    groups, clusters = table.shape
    if clusters < 2:  # shares that do not vary say nothing: as though each group were one source
        return float(np.square(sizes).sum() / total)
    shares = table.sum(axis=0) / total
    between = np.square(table - sizes[:, None] * shares).sum(axis=0) * groups / (groups - 1)
    return max(float(np.sum(between / shares) / (total * (clusters - 1))), 1.0)


def _shares(counts: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    raised = counts + _HALF
    return np.asarray(raised / raised.sum(), np.float64)
