"""Train as the published notebook does, in plain Keras: all in memory as float32, `fit`, `predict` of it all."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

FILTERS = (12, 24, 36, 48)


class Clustering(keras.layers.Layer):
    """Turn latent vectors into Student's t assignments."""

    def __init__(self, clusters: int, **options: Any) -> None:
        super().__init__(**options)
        self.clusters = clusters

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the centroids."""
        self.centroids = self.add_weight(shape=(self.clusters, shape[-1]), initializer="glorot_uniform")

    def call(self, latent: Any) -> Any:
        """Give q."""
        distances = keras.ops.sum(keras.ops.square(keras.ops.expand_dims(latent, 1) - self.centroids), axis=2)
        q = 1.0 / (1.0 + distances)
        return q / keras.ops.sum(q, axis=1, keepdims=True)


def build_autoencoder() -> keras.Model:
    """Build the published network, with the noise of its pre-training in front."""
    image = x = keras.Input((128, 128, 3))
    x = keras.layers.GaussianNoise(0.6)(x)
    for filters in FILTERS:
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(64, name="latent")(x)
    x = keras.layers.Dense(8 * 8 * FILTERS[-1], activation="relu")(x)
    x = keras.layers.Reshape((8, 8, FILTERS[-1]))(x)
    for filters in FILTERS[-2::-1]:
        x = keras.layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)
    return keras.Model(image, x)


def pretrain(
    autoencoder: keras.Model,
    images: NDArray[np.float32],
    *,
    epochs: int,
    batch: int,
    tell: Callable[[int], None],
) -> None:
    """Pre-train, and tell each epoch that is done."""
    autoencoder.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: tell(epoch + 1))
    autoencoder.fit(images, images, batch_size=batch, epochs=epochs, verbose=0, callbacks=[after])


def begin_clustering(autoencoder: keras.Model, images: NDArray[np.float32], clusters: int) -> keras.Model:
    """Put the centroids of k-means on the latent vectors."""
    latent = autoencoder.get_layer("latent").output
    encoder = keras.Model(autoencoder.inputs[0], latent)
    kmeans = KMeans(clusters, n_init=20, random_state=0).fit(encoder.predict(images, verbose=0))
    layer = Clustering(clusters, name="clustering")
    model = keras.Model(autoencoder.inputs[0], [layer(latent), autoencoder.output])
    layer.centroids.assign(kmeans.cluster_centers_)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=["kld", "mse"], loss_weights=[0.1, 1.0])
    return model


def cluster(
    model: keras.Model,
    images: NDArray[np.float32],
    *,
    iterations: int,
    interval: int,
    batch: int,
    tell: Callable[[int], None],
) -> None:
    """Run the clustering phase without its stop rule, and tell each iteration that is done."""
    order = np.arange(len(images))
    index = 0
    for iteration in range(iterations):
        if iteration % interval == 0:
            q, _ = model.predict(images, verbose=0)
            weight = q**2 / q.sum(0)
            p = (weight.T / weight.sum(1)).T
        mine = order[index * batch : min((index + 1) * batch, len(images))]
        model.train_on_batch(images[mine], [p[mine], images[mine]])
        index = index + 1 if (index + 1) * batch < len(images) else 0
        tell(iteration + 1)
