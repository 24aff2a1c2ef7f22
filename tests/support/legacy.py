"""Write weights as Keras 2 did: HDF5 with the order of layers and of their weights in attributes."""

import h5py
import numpy as np


def rows_of(model):
    """Give the rows (name, weights) of a clustering model, named and ordered as the published file is."""
    layers = [layer for layer in model.layers if layer.weights and layer.name != "clustering"]
    halves = len([layer for layer in layers if layer.name.startswith("encoder_")])
    names = [f"Conv_{k}" for k in range(1, halves + 1)] + ["encoded", "dense_1"]
    names += [f"ConvT_{k}" for k in range(1, halves)] + ["decoded"]
    rows = [(name, layer.get_weights()) for name, layer in zip(names, layers, strict=True)]
    rows.insert(len(rows) - 1, ("clustering", [model.get_layer("clustering").centroids.numpy()]))
    return [("original_img", []), *rows]


def write_weights(path, rows, *, inside=None):
    with h5py.File(path, "w") as file:
        root = file.create_group(inside) if inside else file
        root.attrs["layer_names"] = np.array([name.encode() for name, _ in rows])
        for name, weights in rows:
            group = root.create_group(name)
            ends = ["kernel:0", "bias:0"] if len(weights) == 2 else [f"weight_{k}:0" for k in range(len(weights))]
            group.attrs["weight_names"] = np.array([f"{name}/{end}".encode() for end in ends])
            for end, weight in zip(ends, weights, strict=True):
                group[f"{name}/{end}"] = weight
    return path


def make_model(shape, settings, *, seed=3):
    """Make a clustering model of random weights, biases included."""
    from couloir.dec.clustering import build_clustering_model
    from couloir.dec.networks import build_autoencoder

    rng = np.random.default_rng(seed)
    autoencoder = build_autoencoder(shape, settings)
    autoencoder.set_weights([rng.normal(0, 0.2, weight.shape) for weight in autoencoder.get_weights()])
    centroids = rng.normal(size=(settings.clusters, settings.latent)).astype(np.float32)
    return build_clustering_model(autoencoder, centroids, alpha=settings.alpha)
