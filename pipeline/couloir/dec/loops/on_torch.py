"""Training steps in PyTorch, one after the other: it compiles none of them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from couloir.dec.backend import Tensor, keras
from couloir.dec.learner import Learner

ops = keras.ops


def make_loop(learner: Learner, optimizer: keras.Optimizer) -> Any:
    """Give the loop."""
    weights = learner.trainable_variables

    def step(images: Tensor, targets: Tensor | None) -> dict[str, Tensor]:
        learner.zero_grad()
        losses = learner.measure(learner(images, training=True), targets)
        losses["loss"].backward()
        gradients = [weight.value.grad for weight in weights]
        with torch.no_grad():
            optimizer.apply(gradients, weights)
        return {name: value.detach() for name, value in losses.items()}

    def run(
        table: Tensor, places: NDArray[np.int32], targets: NDArray[np.float32] | None, count: int
    ) -> dict[str, Tensor]:
        held = ops.convert_to_tensor(table)
        found = []
        for number in range(count):
            images = ops.cast(ops.take(held, ops.convert_to_tensor(places[number]), axis=0), "float32")
            found.append(step(images, None if targets is None else ops.convert_to_tensor(targets[number])))
        return {name: ops.stack([losses[name] for losses in found]) for name in learner.loss_names}

    return run
