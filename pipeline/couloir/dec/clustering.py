"""Assign latent vectors softly to clusters, and sharpen that into the target of deep embedded clustering.

Source: Xie, Girshick and Farhadi (2016), Unsupervised deep embedding for clustering analysis, ICML;
equations 1 (soft assignment), 2 (KL divergence) and 3 (target distribution).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from couloir.dec.backend import Tensor, keras
from couloir.dec.networks import LATENT

CLUSTERING = "clustering"
ops = keras.ops


def squared_distances(latent: Tensor, centroids: Tensor) -> Tensor:
    """Give the squared Euclidean distances (n, K) of vectors (n, D) to centroids (K, D)."""
    difference = ops.expand_dims(latent, 1) - ops.expand_dims(centroids, 0)
    return ops.sum(ops.square(difference), axis=-1)


def soft_assignment(latent: Tensor, centroids: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Give the probability of each cluster by Student's t (Xie et al. 2016, eq. 1).

    q_ij is proportional to (1 + |z_i - mu_j|^2 / alpha) ** (-(alpha + 1) / 2). It is computed as the
    softmax of logarithms, so that rows sum to 1 however far a vector lies from every centroid.

    Parameters
    ----------
    latent
        Latent vectors, tensor (n, D).
    centroids
        Cluster centres, tensor (K, D).
    alpha
        Degrees of freedom.

    Returns
    -------
    tensor
        q, (n, K).
    """
    logits = -(alpha + 1) / 2 * ops.log1p(squared_distances(latent, centroids) / alpha)
    return ops.softmax(logits, axis=-1)


def target_distribution(q: NDArray[np.floating[Any]], *, balance: float = 1.0) -> NDArray[np.float32]:
    """Sharpen soft assignments into the target p (Xie et al. 2016, eq. 3).

    p_ij = (q_ij^2 / f_j) / sum_k (q_ik^2 / f_k), with f_j = sum_i q_ij over all the samples given:
    the whole archive, for the f_j are the soft sizes of the clusters.

    Dividing by f_j pulls samples from large clusters into small ones, so that all tend to one size. With
    ``balance`` b it is f_j ** b: 1 is Xie's; at 0 sizes do not matter and p only sharpens q.

    Parameters
    ----------
    q
        Soft assignments (N, K).
    balance
        Exponent of the soft sizes, 0 or more.

    Returns
    -------
    ndarray
        p, (N, K) float32; each row sums to 1.
    """
    q = np.asarray(q, dtype=np.float64)
    sizes = q.sum(axis=0)
    weights = np.divide(q**2, sizes if balance == 1 else sizes**balance, out=np.zeros_like(q), where=sizes > 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def kl_divergence(p: NDArray[np.floating[Any]], q: NDArray[np.floating[Any]]) -> float:
    """Give KL(p || q) in nats: summed over clusters, mean over samples, as the training loss is."""
    return float(rel_entr(p.astype(np.float64), q.astype(np.float64)).sum(axis=1).mean())


@keras.saving.register_keras_serializable(package="couloir")
class ClusteringLayer(keras.layers.Layer):  # type: ignore[misc]
    """Hold the centroids and turn latent vectors (n, D) into soft assignments q (n, K).

    It also carries what a typical member of each cluster looked like when training ended, so that
    novelty can be told from the model alone; these weights are not trained.

    Parameters
    ----------
    clusters
        Number of clusters, K.
    alpha
        Degrees of freedom of Student's t.
    name, trainable, dtype
        As for every Keras layer.

    Attributes
    ----------
    centroids
        (K, D), trained.
    typical_distance
        (K,), median latent distance of the cluster's members to its centroid.
    typical_error
        (K,), median mean squared reconstruction error of the cluster's members.
    """

    def __init__(
        self,
        clusters: int,
        *,
        alpha: float = 1.0,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.clusters = clusters
        self.alpha = alpha

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for latent vectors of shape (n, D)."""
        shape = (self.clusters, input_shape[-1])
        self.centroids = self.add_weight(name="centroids", shape=shape, initializer="zeros")
        self.typical_distance, self.typical_error = (
            self.add_weight(name=name, shape=shape[:1], initializer="ones", trainable=False)
            for name in ("typical_distance", "typical_error")
        )

    def call(self, latent: Tensor) -> Tensor:
        """Give q, (n, K), of latent vectors (n, D)."""
        return soft_assignment(latent, self.centroids, alpha=self.alpha)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Give (n, K)."""
        return (input_shape[0], self.clusters)

    def get_config(self) -> dict[str, Any]:
        """Give what the layer is rebuilt from when a model is loaded."""
        return {**super().get_config(), "clusters": self.clusters, "alpha": self.alpha}


def build_clustering_model(
    autoencoder: keras.Model, centroids: NDArray[np.float32], *, alpha: float
) -> keras.Model:
    """Put a clustering layer with the given centroids on an autoencoder's latent layer.

    Parameters
    ----------
    autoencoder
        Trained autoencoder; its weights are shared, not copied.
    centroids
        (K, D) float32.
    alpha
        Degrees of freedom of Student's t.

    Returns
    -------
    keras.Model
        From spectrograms (N, F, T, C) to ``{"q": (N, K), "reconstruction": (N, F, T, C)}``.
    """
    layer = ClusteringLayer(len(centroids), alpha=alpha, name=CLUSTERING, dtype="float32")
    outputs = {"q": layer(autoencoder.get_layer(LATENT).output), "reconstruction": autoencoder.output}
    layer.centroids.assign(centroids)
    return keras.Model(autoencoder.inputs[0], outputs, name="dec")


def assigner_of(model: keras.Model) -> keras.Model:
    """Give the part of a model from spectrogram to q: encoder and clustering layer, no decoder."""
    return keras.Model(model.inputs[0], model.get_layer(CLUSTERING).output, name="assigner")
