import keras
import numpy as np
import pytest

from couloir.dec.best import BestState


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])


def keep(model, states):
    """Offer states (value, loss, collapse) one after another; give the iteration and value restored."""
    best = BestState(model)
    for iteration, (value, loss, collapse) in enumerate(states):
        model.set_weights([np.array([[value]], np.float32)])
        best.offer(iteration, loss=loss, collapse=collapse)
    best.restore()
    return best.iteration, float(model.get_weights()[0][0, 0])


def test_the_state_of_lowest_loss_is_restored(model):
    assert keep(model, [(1, np.inf, ()), (2, 0.5, ()), (3, 0.2, ()), (4, 0.9, ())]) == (2, 3)


def test_a_collapsed_state_never_replaces_a_sound_one(model):
    assert keep(model, [(1, np.inf, ()), (2, 0.5, ()), (3, 0.1, ("empty",))]) == (1, 2)


def test_a_sound_state_replaces_a_collapsed_one_of_lower_loss(model):
    assert keep(model, [(1, 0.1, ("empty",)), (2, 0.5, ())]) == (1, 2)


def test_of_equal_states_the_later_is_kept(model):
    assert keep(model, [(1, 0.5, ()), (2, 0.5, ())]) == (1, 2)
