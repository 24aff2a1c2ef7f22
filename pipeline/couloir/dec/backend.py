"""Bring in Keras quietly, on whichever backend KERAS_BACKEND names, and say which one it is."""

import importlib
import os
from typing import Any

from couloir.errors import TrainingError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it once, when it is imported

try:
    import keras
except ImportError as error:
    raise TrainingError(
        f"Training and assigning clusters need Keras and a backend, and importing them failed ({error}). "
        "Install them with: pip install 'couloir[cpu]' (TensorFlow), 'couloir[gpu]' or 'couloir[jax]'; "
        "KERAS_BACKEND chooses the backend (tensorflow, jax or torch)."
    ) from error

__all__ = ["Tensor", "describe_backend", "keras"]

Tensor = Any
"""A tensor of whichever backend is in use, or a symbolic one of Keras."""


def describe_backend() -> dict[str, Any]:
    """Give the backend's name and the versions that a result depends on.

    Returns
    -------
    dict
        ``name``, ``keras`` and the backend's own version under ``version``.
    """
    name = keras.backend.backend()
    library = importlib.import_module(name)
    return {"name": name, "version": str(library.__version__), "keras": str(keras.__version__)}
