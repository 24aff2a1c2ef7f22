"""Training steps as one JAX program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from couloir.dec.backend import Tensor, keras
from couloir.dec.learner import Learner


def make_loop(learner: Learner, optimizer: keras.Optimizer) -> Any:
    """Give the loop. Variables hold the state between two calls, so a checkpoint finds it there."""
    groups = (learner.trainable_variables, learner.non_trainable_variables, optimizer.variables)

    def step(state: Any, images: Tensor, targets: Tensor | None) -> tuple[Any, dict[str, Tensor]]:
        weights, others, moments = state

        def objective(weights: Any) -> tuple[Tensor, Any]:
            outputs, moved_on = learner.stateless_call(weights, others, images, training=True)
            losses = learner.measure(outputs, targets)
            return losses["loss"], (losses, moved_on)

        gradients, (losses, others) = jax.grad(objective, has_aux=True)(weights)
        weights, moments = optimizer.stateless_apply(moments, gradients, weights)
        return (weights, others, moments), losses

    def at(number: Any, table: Tensor, places: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor | None]:
        images = jnp.take(table, places[number], axis=0).astype(jnp.float32)
        return images, None if targets is None else targets[number]

    def several(state: Any, table: Tensor, places: Tensor, targets: Tensor | None, count: Any) -> Any:
        if len(places) == 1:  # no loop: on a CPU its convolutions would be slow
            state, losses = step(state, *at(0, table, places, targets))
            return state, {name: losses[name][None] for name in learner.loss_names}

        def body(number: Any, carried: Any) -> Any:
            state, found = carried
            state, losses = step(state, *at(number, table, places, targets))
            return state, {name: found[name].at[number].set(losses[name]) for name in found}

        found = {name: jnp.zeros(len(places), jnp.float32) for name in learner.loss_names}
        return jax.lax.fori_loop(0, count, body, (state, found))

    compiled = jax.jit(several)

    def run(
        table: Tensor, places: NDArray[np.int32], targets: NDArray[np.float32] | None, count: int
    ) -> dict[str, Tensor]:
        state = tuple([variable.value for variable in group] for group in groups)
        state, losses = compiled(state, table, places, targets, count)
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return dict(losses)

    return run
