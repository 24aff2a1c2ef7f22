"""Where memory runs out, training starts again with half the batch, and says so."""

import json

import pytest
from checkpoints import Memory, result_of

from couloir.dec import steps
from couloir.dec.keeper import Keeper
from couloir.dec.training import train
from couloir.errors import TrainingError


@pytest.fixture
def at_most(monkeypatch):
    """Make steps of more than so many samples run out of memory."""

    def limit(samples, phase=""):
        run = steps.StepRunner.run

        def limited(self, drawn, targets=None):
            if drawn.indices.shape[1] > samples and self._phase.startswith(phase):
                raise MemoryError("cannot allocate")
            return run(self, drawn, targets)

        monkeypatch.setattr(steps.StepRunner, "run", limited)

    return limit


def note_of(result):
    (note,) = result["metrics"]["notes"]
    return note


@pytest.mark.parametrize("phase", ["pre-training", "clustering"])
def test_the_batch_is_halved_and_training_comes_to_what_it_would_with_such_batches(
    phase, at_most, samples, settings, tmp_path
):
    asked, halved = (settings.model_copy(update={"batch": batch, "epochs": 2}) for batch in (64, 32))
    expected = result_of(train(samples, halved, folder=tmp_path), tmp_path)
    at_most(40, phase)
    told, place = [], Memory()
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


def test_a_training_that_was_cut_off_goes_on_with_the_batch_that_fitted(at_most, samples, settings, tmp_path):
    class Stopped(BaseException):
        pass

    asked = settings.model_copy(update={"batch": 64, "epochs": 2})
    at_most(40)
    expected = result_of(train(samples, asked, folder=tmp_path), tmp_path)
    place, told = Memory(), []

    def stop():
        if told and "epoch 2" in told[-1]:
            raise Stopped

    def tell(*report):
        told.append(report[-1])

    with pytest.raises(Stopped):
        train(samples, asked, folder=tmp_path, progress=tell, keeper=Keeper([place], check_stop=stop))
    told.clear()
    again = train(samples, asked, folder=tmp_path, progress=tell, keeper=Keeper([place]))
    assert any("going on from epoch 2" in message for message in told)
    assert result_of(again, tmp_path) == expected


def test_where_nothing_fits_the_error_says_what_to_do(at_most, samples, settings, tmp_path):
    at_most(1)
    with pytest.raises(TrainingError, match=r"out with batches of only 8 .*\(32, 16, 3\).*more memory"):
        train(samples, settings, folder=tmp_path)
