"""Training steps as one TensorFlow graph."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.config import is_op_determinism_enabled

from couloir.dec.backend import Tensor, keras
from couloir.dec.learner import Learner


def make_loop(learner: Learner, optimizer: keras.Optimizer) -> Any:
    """Give the loop, compiled by XLA where there is a GPU and its results may differ from run to run.

    Keras goes without XLA where operations are to be deterministic, since it has not all of them so.
    """
    weights = learner.trainable_variables
    values = [weight.value for weight in weights]

    def step(images: Tensor, targets: Tensor | None) -> dict[str, Tensor]:
        with tf.GradientTape() as tape:
            losses = learner.measure(learner(images, training=True), targets)
        optimizer.apply(tape.gradient(losses["loss"], values), weights)
        return losses

    def gather(table: Tensor, places: Tensor) -> Tensor:
        return tf.cast(tf.gather(table, places), tf.float32)

    def one(table: Tensor, places: Tensor, targets: Tensor | None) -> dict[str, Tensor]:
        losses = step(gather(table, places[0]), None if targets is None else targets[0])
        return {name: tf.expand_dims(value, 0) for name, value in losses.items()}

    def several(table: Tensor, places: Tensor, targets: Tensor | None, count: Tensor) -> dict[str, Tensor]:
        steps = tf.shape(places)[0]
        found = {name: tf.TensorArray(tf.float32, size=steps) for name in learner.loss_names}

        def body(number: Tensor, found: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
            losses = step(gather(table, places[number]), None if targets is None else targets[number])
            return number + 1, {name: found[name].write(number, losses[name]) for name in found}

        _, found = tf.while_loop(lambda number, _: number < count, body, (0, found), parallel_iterations=1)
        return {name: written.stack() for name, written in found.items()}

    compiled = bool(tf.config.list_physical_devices("GPU")) and not is_op_determinism_enabled()
    one_step, several_steps = (tf.function(steps, jit_compile=compiled) for steps in (one, several))

    def run(
        table: Tensor, places: NDArray[np.int32], targets: NDArray[np.float32] | None, count: int
    ) -> dict[str, Tensor]:
        if len(places) == 1:  # no loop: the graph optimiser does more with it
            return dict(one_step(table, places, targets))
        return dict(several_steps(table, places, targets, tf.constant(count)))

    return run
