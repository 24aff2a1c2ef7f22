"""Make the optimizer that each phase of training asks for."""

from typing import Literal, NamedTuple

from couloir.config import TrainConfig
from couloir.dec.backend import keras


class Descent(NamedTuple):
    """Say how a phase goes down its loss.

    Attributes
    ----------
    kind
        ``adam`` or ``sgd``.
    learning_rate
        Its learning rate.
    momentum
        Of ``sgd``: v <- momentum v - learning_rate g, w <- w + v.
    setting
        The setting that gives the learning rate, for errors to name.
    """

    kind: Literal["adam", "sgd"]
    learning_rate: float
    momentum: float = 0.9
    setting: str = "train.learning_rate"

    def make(self) -> keras.Optimizer:
        """Make the optimizer."""
        if self.kind == "sgd":
            return keras.optimizers.SGD(self.learning_rate, momentum=self.momentum)
        return keras.optimizers.Adam(self.learning_rate)


def pretraining_descent(settings: TrainConfig) -> Descent:
    """Give the optimizer of pre-training."""
    return Descent(settings.optimizer, settings.learning_rate, settings.momentum)


def clustering_descent(settings: TrainConfig) -> Descent:
    """Give the optimizer of the clustering: its own where the settings name one, else that of pre-training."""
    kind = settings.clustering_optimizer or settings.optimizer
    if settings.clustering_learning_rate is None:
        return Descent(kind, settings.learning_rate, settings.momentum)
    return Descent(kind, settings.clustering_learning_rate, settings.momentum, "train.clustering_learning_rate")
