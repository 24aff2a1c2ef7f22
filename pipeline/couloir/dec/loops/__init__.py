"""Make training steps on the accelerator, several a dispatch, on whichever backend Keras has."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.dec.backend import Tensor, keras
from couloir.dec.learner import Learner

__all__ = ["Loop", "make_loop"]

Loop = Callable[[Tensor, NDArray[np.int32], NDArray[np.float32] | None, int], Mapping[str, Any]]
"""Make ``count`` steps: from table (N, F, T, C), places (S, n) in it, targets (S, n, K) or none, and count, to
the losses of each step by name, (S,); only the first ``count`` of S are made and mean something."""


def make_loop(learner: Learner, optimizer: keras.Optimizer) -> Loop:
    """Make the function that trains a learner in place with an optimizer that was built for it.

    Step k gathers the samples at ``places[k]`` and goes down the gradient of their loss. The batches are
    gathered, and noise is drawn, where the table lies.
    """
    module = import_module(f"couloir.dec.loops.on_{keras.backend.backend()}")
    loop: Loop = module.make_loop(learner, optimizer)
    return loop
