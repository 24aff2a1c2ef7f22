"""Make training steps, refuse losses that are not finite, and keep the mean of the others."""

import math

import numpy as np
from numpy.typing import NDArray

from couloir.dec.backend import keras
from couloir.dec.checkpoint import State
from couloir.dec.optimizers import Descent
from couloir.errors import TrainingError

Targets = NDArray[np.float32] | dict[str, NDArray[np.float32]]


class StepRunner:
    """Train a Keras model batch by batch.

    Parameters
    ----------
    model
        A model whose ``compute_loss`` needs no more than the batch.
    descent
        The optimizer and its learning rate.
    phase
        What errors call this training.
    """

    def __init__(self, model: keras.Model, *, descent: Descent, phase: str) -> None:
        self._model, self._descent, self._phase = model, descent, phase
        optimizer = descent.make()
        model.compile(optimizer=optimizer)
        optimizer.build(model.trainable_variables)  # not at the first step: a checkpoint may be restored before it
        self._variables = [*model.variables, *optimizer.variables]
        self.done = 0
        self._sums: dict[str, float] = {}
        self._samples = 0

    def step(self, images: NDArray[np.float32], targets: Targets | None = None) -> float:
        """Make one step from images (n, F, T, C), with whatever the loss compares with, and give its loss.

        Raises
        ------
        TrainingError
            When the loss is not finite.
        """
        self._model.reset_metrics()  # older Keras gives means since the last reset, not the batch's
        logs = self._model.train_on_batch(images, targets, return_dict=True)
        self.done += 1
        self.check(float(logs["loss"]))
        self._samples += len(images)
        for name, value in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * len(images)
        return float(logs["loss"])

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
            f"Lower it (to {rate / 10:g}, say; the published value is 0.001), or check that the spectrograms "
            "are standardised (spectrogram.transform)."
        )
