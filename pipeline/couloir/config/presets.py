"""Settings of published methods, by name."""

from typing import Any

_CLUSTERING = {"update_interval": 140, "tolerance": 0.001, "max_iterations": 20_000, "keep": "last"}
_DEC = {  # Xie et al. 2016 with DEC-keras' pre-training from end to end
    "network": "dense",
    "units": [500, 500, 2000],
    "latent": 10,
    "initializer": "fan_in",
    "noise": 0.0,
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "epochs": 300,
    **_CLUSTERING,
}
_DCEC = {  # Guo et al. 2017, Deep clustering with convolutional autoencoders
    "filters": [32, 64, 128],
    "kernel": [5, 5, 3],
    "latent": 10,
    "noise": 0.0,
    **_CLUSTERING,
}
_ENCODER_ONLY = {"kl_weight": 1.0, "reconstruction_weight": 0.0}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "luhu": {},  # the defaults above are the published numbers
    "small": {
        "train": {
            "filters": [8, 16, 24, 32],
            "latent": 16,
            "batch": 32,
            "learning_rate": 0.002,
            "epochs": 14,
            "update_interval": 40,
            "max_iterations": 400,
            "tolerance": 0.002,
            "kmeans_starts": 10,
        }
    },
    "dec": {
        "train": {**_DEC, **_ENCODER_ONLY, "clustering_optimizer": "sgd", "clustering_learning_rate": 0.01},
    },
    "idec": {"train": {**_DEC, "clustering_optimizer": "adam", "clustering_learning_rate": 0.001}},
    "dcec": {"train": _DCEC},
    "mousavi2019": {
        "detect": {"sampling_rate": 40.0, "band": [1.0, 18.0]},
        "spectrogram": {"frequencies": 16, "times": 48, "segment_s": 0.75},
        "train": {
            "network": "pooled",
            "clusters": 2,
            "filters": [4, 2, 1],
            "latent": 12,
            "activation": "tanh",
            "noise": 0.0,
            **_CLUSTERING,
        },
    },
    "conv-da": {
        "train": {
            **_DCEC,
            **_ENCODER_ONLY,
            "epochs": 500,
            "augment": {
                "time_shift": 0.1,
                "gain": 0.1,
                "noise": 0.2,
                "drop_component": 0.1,
                "time_mask": 0.1,
                "frequency_mask": 0.1,
            },
        }
    },
}
"""Values that a preset sets before the run file's own; `luhu` is the published method."""
