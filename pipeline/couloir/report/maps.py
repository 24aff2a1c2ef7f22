"""Lay the latent space out on a plane, so that neighbours there are neighbours on the page."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

MOST_POINTS = 2000
LEAST_FOR_TSNE = 20
PCA_DIMENSIONS = 30
PERPLEXITY = 30.0
METHOD = "PCA to 30 dimensions, then t-SNE (perplexity 30)"


def sample(events: int, *, seed: int) -> NDArray[np.int64]:
    """Draw which events to map: all of them, or :data:`MOST_POINTS` at random, in rising order.

    Parameters
    ----------
    events
        How many there are.
    seed
        Seed of the draw.
    """
    if events <= MOST_POINTS:
        return np.arange(events, dtype=np.int64)
    chosen = np.random.default_rng(seed).choice(events, size=MOST_POINTS, replace=False)
    return np.sort(chosen).astype(np.int64)


def project(latent: NDArray[np.floating[Any]], seed: int) -> NDArray[np.float32]:
    """Map latent vectors to the plane by PCA and t-SNE.

    Parameters
    ----------
    latent
        (M, latent) vectors; draw M at most :data:`MOST_POINTS` with :func:`sample` to stay quick.
    seed
        Seed of t-SNE.

    Returns
    -------
    ndarray
        (M, 2) float32. Fewer than :data:`LEAST_FOR_TSNE` distinct points are laid out by PCA alone.

    References
    ----------
    van der Maaten and Hinton (2008), Visualizing data using t-SNE, JMLR 9.
    """
    points = np.asarray(latent, dtype=np.float64)
    narrowed = _principal(points, PCA_DIMENSIONS)
    # t-SNE ends the process (NaN in its tree) when all points are one, as a collapsed encoder makes them.
    if len(np.unique(narrowed.astype(np.float32), axis=0)) < LEAST_FOR_TSNE:
        return narrowed[:, :2].astype(np.float32)
    tsne = TSNE(
        n_components=2,
        init="pca",
        perplexity=min(PERPLEXITY, (len(points) - 1) / 3),
        learning_rate="auto",
        max_iter=500,
        random_state=seed,
    )
    # One thread: its many short parallel steps wait on each other on a busy machine, ten times longer.
    with threadpool_limits(limits=1, user_api="openmp"):
        return np.asarray(tsne.fit_transform(narrowed / narrowed.std()), dtype=np.float32)


def _principal(points: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """Project on the leading principal axes, padded with zeros up to two columns."""
    kept = min(dimensions, *points.shape)
    if np.all(points == points[:1]):
        return np.zeros((len(points), 2))
    scores = PCA(n_components=kept, svd_solver="full").fit_transform(points)
    return np.pad(scores, ((0, 0), (0, max(0, 2 - kept))))
