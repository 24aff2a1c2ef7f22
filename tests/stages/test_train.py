"""Train as a stage: checkpoints lie in the output while they are needed, and no longer."""

import json

import pytest
from trainee import Pictures, config_of

from couloir.errors import CouloirWarning, StoreError
from couloir.stages.settings import output_of
from couloir.stages.train import TRAINED_FILES, train
from couloir.store.location import Location

QUICK = {"epochs": 2, "max_iterations": 6, "update_interval": 3}


class Stopped(BaseException):
    """What the command line raises when it is told to end."""


class StopAfter:
    """Let some steps be made, then stop."""

    def __init__(self, calls):
        self._left = calls

    def __call__(self):
        self._left -= 1
        if self._left < 0:
            raise Stopped


def quiet(phase, done, total, message):
    """Tell nobody."""


def results(config):
    place = output_of(config) / "model"
    metrics = json.loads((place / "metrics.json").read_text())
    del metrics["seconds"]
    return metrics, (place / "dec.keras").read_bytes(), (place / "initial_labels.npy").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    config = config_of(tmp_path_factory.mktemp("undisturbed"), **QUICK)
    assert train(config, Pictures(), progress=quiet)
    return results(config)


@pytest.mark.parametrize("steps", [3, 12])
def test_a_stopped_training_goes_on_from_its_checkpoint_and_leaves_none(steps, undisturbed, tmp_path):
    config, told = config_of(tmp_path, **QUICK), []
    with pytest.raises(Stopped):
        train(config, Pictures(), progress=quiet, check_stop=StopAfter(steps))
    assert list((tmp_path / "model" / "checkpoint").iterdir())
    assert not (tmp_path / "model" / "complete.json").exists()
    assert train(config, Pictures(), progress=lambda *report: told.append(report))
    assert sum("going on from" in message for *_, message in told) == 1
    assert results(config) == undisturbed
    assert {path.name for path in (tmp_path / "model").iterdir()} == {*TRAINED_FILES, "complete.json"}


def test_a_checkpoint_left_behind_a_finished_training_is_removed_by_the_next_run(tmp_path):
    config = config_of(tmp_path, **QUICK)
    train(config, Pictures(), progress=quiet)
    left = tmp_path / "model" / "checkpoint" / "0.npz"
    left.parent.mkdir()
    left.write_bytes(b"left when the machine went away")
    assert not train(config, Pictures(), progress=quiet)
    assert not left.parent.exists()


def test_a_checkpoint_made_with_other_settings_is_told_and_not_used(tmp_path):
    with pytest.raises(Stopped):
        train(config_of(tmp_path, **QUICK), Pictures(), progress=quiet, check_stop=StopAfter(3))
    other, told = config_of(tmp_path, **QUICK, noise=0.5), []
    with pytest.warns(CouloirWarning, match=r"0\.npz is of another training"):
        train(other, Pictures(), progress=lambda *report: told.append(report))
    assert told[0][:2] == ("pretrain", 1)
    fresh = config_of(tmp_path / "fresh", **QUICK, noise=0.5)
    train(fresh, Pictures(), progress=quiet)
    assert results(other) == results(fresh)


@pytest.fixture
def refuse(monkeypatch):
    """Let a place with this in its URL refuse to be written."""

    def refuse_names(part):
        write = Location.write_bytes

        def write_or_not(self, data):
            if part in self.url:
                raise StoreError(f"cannot write {self}: no space left")
            write(self, data)

        monkeypatch.setattr(Location, "write_bytes", write_or_not)

    return refuse_names


def test_a_full_disk_ends_no_training_while_only_checkpoints_suffer(refuse, undisturbed, tmp_path):
    config = config_of(tmp_path, **QUICK)
    refuse("/checkpoint/")
    with pytest.warns(CouloirWarning, match="could not be written: cannot write .*no space left"):
        assert train(config, Pictures(), progress=quiet)
    assert results(config) == undisturbed


def test_a_model_that_cannot_be_written_is_an_error_and_its_training_is_not_lost(refuse, tmp_path, monkeypatch):
    config, told = config_of(tmp_path, **QUICK), []
    refuse("dec.keras")
    with pytest.raises(StoreError, match=r"dec\.keras: no space left"):
        train(config, Pictures(), progress=quiet)
    monkeypatch.undo()
    assert train(config, Pictures(), progress=lambda *report: told.append(report))
    assert [done for phase, done, *_ in told if phase == "cluster"] == [6]


def test_checkpoints_lie_in_a_bucket_and_go_from_there(s3, bucket, undisturbed):
    place = {"url": f"s3://{bucket}/output", "storage_options": s3.options()}
    config = config_of(place, **QUICK)
    with pytest.raises(Stopped):
        train(config, Pictures(), progress=quiet, check_stop=StopAfter(11))
    assert all("model/checkpoint/" in key for key in s3.keys(bucket))
    assert len(s3.keys(bucket)) == 2
    assert train(config, Pictures(), progress=quiet)
    assert results(config) == undisturbed
    assert not [key for key in s3.keys(bucket) if "checkpoint" in key]
