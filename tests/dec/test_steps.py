import keras
import numpy as np
import pytest
from batches import drawn

from couloir.dec.learner import Learner
from couloir.dec.optimizers import Descent
from couloir.dec.steps import StepRunner
from couloir.errors import TrainingError


class Level(Learner):
    """Learn one number; the loss is its squared distance to the batch's mean."""

    def __init__(self):
        super().__init__()
        self.value = self.add_weight(name="value", shape=(), initializer="zeros")
        self.built = True

    def call(self, x, training=None):
        return {"difference": x - self.value}

    def measure(self, outputs, targets):
        return {"loss": keras.ops.mean(keras.ops.square(outputs["difference"]))}


def test_step_gives_the_loss_before_it_and_moves_the_weights_by_adam():
    model = Level()
    runner = StepRunner(model, descent=Descent("adam", 0.1), phase="a test")
    assert runner.run(drawn(np.full((4, 1), 3, np.float32))) == pytest.approx(9)
    assert float(model.value) == pytest.approx(0.1, rel=1e-3)  # Adam's first step is the learning rate


def test_means_weigh_batches_by_their_size_and_start_anew_once_taken():
    runner = StepRunner(Level(), descent=Descent("adam", 1e-9), phase="a test")
    for size, value in ((3, 1), (1, 5)):
        runner.run(drawn(np.full((size, 1), value, np.float32)))
    assert runner.take_means()["loss"] == pytest.approx((3 * 1 + 1 * 25) / 4, rel=1e-4)
    runner.run(drawn(np.full((2, 1), 2, np.float32)))
    assert runner.take_means()["loss"] == pytest.approx(4, rel=1e-4)
    assert runner.done == 3


def test_a_loss_that_is_not_finite_is_refused_naming_step_and_learning_rate():
    runner = StepRunner(Level(), descent=Descent("adam", 0.5), phase="clustering")
    with pytest.raises(TrainingError, match=r"nan at step 1 of clustering, with train.learning_rate 0.5.*0.05"):
        runner.run(drawn(np.full((2, 1), np.nan, np.float32)))
