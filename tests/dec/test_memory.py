"""Where memory runs out, training starts again with half the batch, and says so."""

import json

import numpy as np
import pytest
from checkpoints import Memory, result_of

from couloir.dec import steps, training
from couloir.dec.clustering import assigner_of
from couloir.dec.keeper import Keeper, never_stop
from couloir.dec.predict import predict
from couloir.dec.refine import pretrain_once, refine
from couloir.dec.resident import make_resident
from couloir.dec.training import train
from couloir.errors import CouloirWarning, TrainingError

pytestmark = pytest.mark.filterwarnings("ignore:Memory ran out with batches")


@pytest.fixture
def at_most(monkeypatch):
    """Make steps of more samples than this run out of memory, of all models or one, anywhere or in one place."""
    make_loop = steps.make_loop

    def limit(samples, learner="", on=""):
        def make(model, optimizer):
            loop = make_loop(model, optimizer)

            def limited(table, places, targets, count):
                held = "accelerator" if len(places) > 1 or len(table) > places.shape[1] else "memory"
                if places.shape[1] > samples and model.name.startswith(learner) and held.startswith(on):
                    raise MemoryError("cannot allocate")
                return loop(table, places, targets, count)

            return limited

        monkeypatch.setattr(steps, "make_loop", make)

    return limit


class Stopped(BaseException):
    """What the caller raises to end a training."""


def note_of(result):
    (note,) = result["metrics"]["notes"]
    return note


@pytest.mark.parametrize("learner", ["denoiser", "joint"])
def test_the_batch_is_halved_and_training_comes_to_what_it_would_with_such_batches(
    learner, at_most, samples, settings, tmp_path
):
    asked, halved = (settings.model_copy(update={"batch": batch, "epochs": 2}) for batch in (64, 32))
    expected = result_of(train(samples, halved, folder=tmp_path), tmp_path)
    at_most(40, learner)
    told, place = [], Memory()
    with pytest.warns(CouloirWarning, match="Memory ran out with batches of 64: .* with batches of 32"):
        trained = train(
            samples,
            asked,
            folder=tmp_path,
            progress=lambda *report: told.append(report[-1]),
            keeper=Keeper([place], every_s=3600),
        )
    result = result_of(trained, tmp_path)
    assert note_of(result) == "memory ran out with batches of 64: trained with batches of 32"
    assert trained.notes == (note_of(result),)
    assert note_of(result) in told
    assert result["metrics"] | {"notes": []} == expected["metrics"]
    assert result["model"] == expected["model"]
    assert result["log"] == expected["log"]


def test_it_is_halved_again_until_it_fits_and_the_last_size_is_recorded(at_most, samples, settings, tmp_path):
    at_most(20)
    asked = settings.model_copy(update={"batch": 1000, "epochs": 1, "max_iterations": 2})
    trained = train(samples, asked, folder=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    fit = len(samples) - metrics["held_out"]
    assert metrics["batch"] == fit // 2 // 2 // 2 <= 20
    assert "there are only" in trained.notes[0]
    assert trained.notes[-1].endswith(f"trained with batches of {metrics['batch']}")


@pytest.mark.parametrize(("learner", "epoch"), [("denoiser", 2), ("joint", 1)])
def test_a_training_that_was_cut_off_goes_on_with_the_batch_that_fitted(
    learner, epoch, at_most, samples, settings, tmp_path
):
    asked = settings.model_copy(update={"batch": 64, "epochs": 2})
    at_most(40, learner)
    expected = result_of(train(samples, asked, folder=tmp_path), tmp_path)
    place, told = Memory(), []

    def stop():
        halved = any("trained with batches of 32" in message for message in told)
        if halved and f"epoch {epoch}" in told[-1]:
            raise Stopped

    def tell(*report):
        told.append(report[-1])

    with pytest.raises(Stopped):
        train(samples, asked, folder=tmp_path, progress=tell, keeper=Keeper([place], check_stop=stop))
    told.clear()
    again = train(samples, asked, folder=tmp_path, progress=tell, keeper=Keeper([place]))
    assert any(f"going on from epoch {epoch}" in message for message in told)
    assert result_of(again, tmp_path) == expected


def test_a_checkpoint_of_batches_that_no_longer_fit_is_left_behind(at_most, samples, settings, tmp_path):
    asked, halved = (settings.model_copy(update={"batch": batch, "epochs": 2}) for batch in (64, 32))
    expected = result_of(train(samples, halved, folder=tmp_path), tmp_path)
    place, told = Memory(), []

    def stop():
        if told and "epoch 2" in told[-1]:
            raise Stopped

    keeper = Keeper([place], check_stop=stop)
    with pytest.raises(Stopped):
        train(samples, asked, folder=tmp_path, progress=lambda *report: told.append(report[-1]), keeper=keeper)
    at_most(40)
    result = result_of(train(samples, asked, folder=tmp_path, keeper=Keeper([place])), tmp_path)
    assert note_of(result) == "memory ran out with batches of 64: trained with batches of 32"
    assert result["model"] == expected["model"]
    assert result["log"] == expected["log"]


def test_before_a_batch_is_halved_the_samples_leave_the_accelerator(
    at_most, samples, settings, tmp_path, monkeypatch
):
    expected = result_of(train(samples, settings, folder=tmp_path), tmp_path)
    monkeypatch.setattr(training, "settle", make_resident)
    at_most(10, on="accelerator")
    result = result_of(train(samples, settings, folder=tmp_path), tmp_path)
    assert result == expected


def test_numbers_of_clusters_are_compared_with_the_batch_that_fits(at_most, samples, settings):
    asked, halved = (settings.model_copy(update={"batch": batch, "epochs": 2}) for batch in (64, 32))
    expected = pretrain_once(samples, halved)
    weights, latent = expected.autoencoder.get_weights(), expected.latent
    refined = refine(weights, samples, halved, latent=latent, pause=never_stop)
    at_most(40)
    found = pretrain_once(samples, asked)
    assert found.load.batch == 32
    np.testing.assert_array_equal(found.latent, latent)
    again = refine(weights, samples, asked, latent=latent, pause=never_stop)
    assert (again.agreement, again.reconstruction) == (refined.agreement, refined.reconstruction)
    np.testing.assert_array_equal(again.labels, refined.labels)


def test_numbers_of_clusters_are_compared_off_the_accelerator_where_it_is_full(at_most, samples, settings):
    expected = pretrain_once(samples, settings)
    at_most(10, on="accelerator")
    found = pretrain_once(make_resident(samples), settings)
    assert found.load.batch == settings.batch
    assert found.load.samples is samples
    np.testing.assert_array_equal(found.latent, expected.latent)


def test_a_comparison_that_was_cut_off_goes_on_with_the_batch_that_fitted(at_most, samples, settings):
    asked = settings.model_copy(update={"batch": 64, "epochs": 2})
    at_most(40)
    expected = pretrain_once(samples, asked)
    place, told = Memory(), []

    def stop():
        if told and "epoch 2" in told[-1]:
            raise Stopped

    def tell(*report):
        told.append(report[-1])

    with pytest.raises(Stopped):
        pretrain_once(samples, asked, progress=tell, keeper=Keeper([place], check_stop=stop))
    told.clear()
    found = pretrain_once(samples, asked, progress=tell, keeper=Keeper([place]))
    assert "going on from epoch 2" in told[0]
    assert found.load.batch == 32
    np.testing.assert_array_equal(found.latent, expected.latent)


def test_a_checkpoint_is_gone_on_from_where_the_samples_leave_the_accelerator(at_most, samples, settings):
    asked = settings.model_copy(update={"epochs": 2})
    expected = pretrain_once(samples, asked)
    place, told = Memory(), []

    def stop():
        if told and "epoch 2" in told[-1]:
            raise Stopped

    def tell(*report):
        told.append(report[-1])

    with pytest.raises(Stopped):
        pretrain_once(samples, asked, progress=tell, keeper=Keeper([place], check_stop=stop))
    told.clear()
    at_most(10, on="accelerator")
    found = pretrain_once(make_resident(samples), asked, progress=tell, keeper=Keeper([place]))
    assert sum("going on from epoch 2" in message for message in told) == 2
    np.testing.assert_array_equal(found.latent, expected.latent)


def test_a_network_is_applied_to_fewer_samples_where_memory_runs_out(samples, trained, monkeypatch):
    network, expected = assigner_of(trained.model), predict(assigner_of(trained.model), samples)
    apply, sizes = network.predict_on_batch, []

    def limited(images):
        sizes.append(len(images))
        if len(images) > limit:
            raise MemoryError("cannot allocate")
        return apply(images)

    monkeypatch.setattr(network, "predict_on_batch", limited)
    limit = 30
    for held in (samples, make_resident(samples)):
        np.testing.assert_allclose(predict(network, held), expected, atol=1e-6)
    assert set(sizes) == {96, 48, 24}
    limit = 0
    with pytest.raises(TrainingError, match=r"Memory ran out .* one spectrogram of \(32, 16, 3\)"):
        predict(network, samples)


def test_memory_that_runs_out_after_training_does_not_train_again(samples, settings, tmp_path, monkeypatch):
    phases = set()

    def assign(*_, **__):
        raise MemoryError("cannot allocate")

    monkeypatch.setattr(training, "assign", assign)
    with pytest.raises(MemoryError):
        train(samples, settings, folder=tmp_path, progress=lambda *report: phases.add(report[-1]))
    assert not any("memory ran out" in message for message in phases)


def test_where_nothing_fits_the_error_says_what_to_do(at_most, samples, settings, tmp_path):
    at_most(1)
    with pytest.raises(TrainingError, match=r"a step of pre-training with batches of \d+ .*train.batch"):
        train(samples, settings, folder=tmp_path)
