"""Say where the samples of a training lie dense: principal components and a mixture of Gaussians."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from couloir.dec.seeds import derive_seed, make_generator

FOLDS = 5
"""Parts of the samples, each judged by a mixture that was fitted to the others."""
_FLOOR = 0.01
"""Added to every variance of a mixture."""

Floats = NDArray[np.float64]


def principal(values: NDArray[np.float32], most: int, *, each: bool) -> tuple[Floats, Floats]:
    """Give the centre (D,) and the first principal components (D, P); each of variance 1, or all in the mean."""
    centre = values.mean(axis=0, dtype=np.float64)
    variance, directions = np.linalg.eigh(np.atleast_2d(np.cov(values, rowvar=False)))
    first = slice(None, -most - 1, -1)
    scale = variance[first] if each else variance[first].mean()
    return centre, directions[:, first] / np.sqrt(np.maximum(scale, 1e-12))


def fit_mixture(points: Floats, *, gaussians: int, seed: int) -> Any:
    """Fit scikit-learn's mixture of so many Gaussians, fewer where points (N, P) are few."""
    from sklearn.mixture import GaussianMixture

    enough = max(1, min(gaussians, len(points) // (4 * points.shape[1])))
    return GaussianMixture(enough, reg_covar=_FLOOR, random_state=derive_seed(seed, "mixture")).fit(points)


def log_density(points: Floats, weights: Floats, means: Floats, precisions: Floats) -> Floats:
    """Give the log density (N,) of points (N, P) under a mixture of the given Cholesky factors of precisions."""
    parts = [
        np.log(weight)
        + np.log(np.diagonal(factor)).sum()
        - 0.5 * np.square((points - mean) @ factor).sum(axis=1)
        - 0.5 * points.shape[1] * np.log(2 * np.pi)
        for weight, mean, factor in zip(weights, means, precisions, strict=True)
    ]
    return np.asarray(logsumexp(parts, axis=0))


def unseen_log_density(points: Floats, *, gaussians: int, seed: int) -> Floats:
    """Give the log density (N,) of points (N, P), each by a mixture fitted without it and a fifth of the others.

    A mixture finds the points it was fitted to denser than new ones of the same kind, the more so the
    fewer they are.
    """
    fold = make_generator(seed, "novelty folds").permutation(len(points)) % FOLDS
    found = np.empty(len(points))
    for mine in (fold == number for number in range(min(FOLDS, len(points)))):
        others = points[~mine] if len(points) > FOLDS else points
        found[mine] = fit_mixture(others, gaussians=gaussians, seed=seed).score_samples(points[mine])
    return found
