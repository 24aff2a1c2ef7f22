import keras
import numpy as np
import pytest
from batches import drawn

from couloir.dec.feed import Drawn
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


class Mismatch(Learner):
    """The loss is the squared distance of samples to their targets; each step adds one to a weight beside it."""

    def __init__(self):
        super().__init__()
        self.weight = self.add_weight(name="weight", shape=(), initializer="zeros")
        self.built = True

    def call(self, x, training=None):
        return {"x": x, "weight": 1.0 * self.weight}

    def measure(self, outputs, targets):
        gap = keras.ops.mean(keras.ops.square(outputs["x"][:, :1] - targets))
        return {"loss": gap - outputs["weight"] + keras.ops.stop_gradient(outputs["weight"])}


@pytest.mark.parametrize(("steps", "slots"), [(1, 1), (3, 3), (3, 8)])
def test_each_step_compares_its_own_samples_with_their_targets_and_no_step_is_made_twice(steps, slots):
    generator = np.random.default_rng(0)
    order = generator.permutation(40)
    table = np.repeat(order[:, None], 2, axis=1).astype(np.float16)  # row r holds sample order[r]
    rows = np.argsort(order)
    indices = generator.permutation(40)[: steps * 5].reshape(steps, 5)
    places = np.zeros((slots, 5), np.int32)
    places[:steps] = rows[indices]
    model = Mismatch()
    runner = StepRunner(model, descent=Descent("sgd", 1.0, 0.0), phase="a test")
    targets = np.arange(40, dtype=np.float32)[:, None]
    assert runner.run(Drawn(indices, table, places), targets) == 0
    assert float(keras.ops.convert_to_numpy(model.weight)) == steps == runner.done
    assert runner.take_means() == {"loss": 0}
    wrong = runner.run(Drawn(indices, table, places), targets[::-1].copy())
    assert wrong == pytest.approx(np.mean((indices[-1] - (39 - indices[-1])) ** 2))


def test_one_bad_loss_among_several_steps_is_found_and_its_step_named():
    runner = StepRunner(Level(), descent=Descent("adam", 0.5), phase="clustering")
    table = np.array([[1.0], [np.nan], [1.0]], np.float32)
    places = np.array([[0], [1], [2]], np.int32)
    with pytest.raises(TrainingError, match="nan at step 2 of clustering"):
        runner.run(Drawn(places.astype(np.int64), table, places))
