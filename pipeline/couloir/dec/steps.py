"""Make training steps, refuse losses that are not finite, and keep the mean of the others."""

import math

import numpy as np
from numpy.typing import NDArray

from couloir.dec.accelerator import is_out_of_memory
from couloir.dec.backend import keras
from couloir.dec.checkpoint import State
from couloir.dec.feed import Drawn
from couloir.dec.learner import Learner
from couloir.dec.loops import make_loop
from couloir.dec.optimizers import Descent
from couloir.errors import TrainingError


class StepMemoryError(TrainingError):
    """Memory ran out while a step was made; a smaller batch may fit."""


class StepRunner:
    """Train a model batch by batch.

    Parameters
    ----------
    learner
        The model and its losses.
    descent
        The optimizer and its learning rate.
    phase
        What errors call this training.
    """

    def __init__(self, learner: Learner, *, descent: Descent, phase: str) -> None:
        self._descent, self._phase = descent, phase
        optimizer = descent.make()
        optimizer.build(learner.trainable_variables)  # not at the first step: a checkpoint may come before it
        self._loop = make_loop(learner, optimizer)
        self._variables = [*learner.variables, *optimizer.variables]
        self.done = 0
        self._sums: dict[str, float] = {}
        self._samples = 0

    def run(self, drawn: Drawn, targets: NDArray[np.float32] | None = None) -> float:
        """Make the steps of the batches drawn, and give the loss of the last one.

        Parameters
        ----------
        drawn
            s batches of n samples.
        targets
            (N, K): what the loss compares every sample of the data set with, if it does.

        Raises
        ------
        StepMemoryError
            When memory runs out.
        TrainingError
            When a loss is not finite.
        """
        steps, batch = drawn.indices.shape
        mine = None
        if targets is not None:
            mine = np.zeros((*drawn.places.shape, targets.shape[1]), np.float32)
            mine[:steps] = targets[drawn.indices]
        try:
            found = self._loop(drawn.table, drawn.places, mine, steps)
            losses = {name: keras.ops.convert_to_numpy(values)[:steps] for name, values in found.items()}
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise StepMemoryError(
                f"Memory ran out in a step of {self._phase} with batches of {batch} spectrograms. Set train.batch "
                "lower, or use a machine or GPU with more memory."
            ) from error
        for loss in losses["loss"].tolist():
            self.done += 1
            self.check(loss)
        self._samples += steps * batch
        for name, values in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(values.sum(dtype=np.float64)) * batch
        return float(losses["loss"][-1])

    def take_means(self) -> dict[str, float]:
        """Give the means over the samples seen since the last call, by the name of the loss."""
        means = {name: value / self._samples for name, value in self._sums.items()}
        self._sums, self._samples = {}, 0
        return means

    def state(self) -> State:
        """Give what a checkpoint keeps: weights, random seeds, the optimizer's moments, steps and running sums."""
        return {
            "variables": [keras.ops.convert_to_numpy(variable) for variable in self._variables],
            "done": self.done,
            "sums": self._sums,
            "samples": self._samples,
        }

    def resume(self, state: State) -> None:
        """Go on from what a checkpoint kept."""
        for variable, value in zip(self._variables, state["variables"], strict=True):
            variable.assign(value)
        self.done, self._sums, self._samples = state["done"], state["sums"], state["samples"]

    def check(self, loss: float) -> None:
        """Refuse a loss that is not finite, naming the learning rate, which is the usual reason."""
        if math.isfinite(loss):
            return
        rate, setting = self._descent.learning_rate, self._descent.setting
        raise TrainingError(
            f"The loss became {loss:g} at step {self.done} of {self._phase}, with {setting} {rate:g}. "
            f"Lower it (to {rate / 10:g}, say), or check that the spectrograms are standardised "
            "(spectrogram.transform)."
        )
