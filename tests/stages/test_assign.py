"""A model trained on earlier months is applied to later ones without training, and everybody agrees about it."""

import json

import numpy as np
import pyarrow as pa
import pytest

from couloir.catalog.events import read_events
from couloir.errors import ChangedSettingsError, MissingStageError
from couloir.stages.assign import assign
from couloir.stages.catalog import catalog
from couloir.stages.drift import NAME
from couloir.stages.held import held_mark
from couloir.stages.settings import model_id_of, output_of

from .two_months import copy_of, detect_quietly, report_on, train_quietly, verified, write_archive


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model and a catalog of January, and the archive of January and February."""
    folder = tmp_path_factory.mktemp("assign")
    root = write_archive(folder / "archive")
    january, events = detect_quietly(root, folder / "output", archive={"end": "2024-02-01"})
    train_quietly(january, events)
    catalog(january, events)
    return january, events, detect_quietly(root, folder / "output")[0]


@pytest.fixture
def moved_on(base, tmp_path):
    january, events, both = base
    return (january, events, *copy_of(both, tmp_path / "output"))


def test_new_months_are_assigned_by_the_old_model_and_verify_agrees(moved_on):
    january, before, config, archive = moved_on
    assert len(archive) > len(before)
    with pytest.raises(MissingStageError, match="couloir assign"):
        catalog(config, archive)
    old = held_mark(config)
    assert assign(config, archive)
    assert held_mark(config) == old
    table = read_events(output_of(config) / "catalog")
    assert len(table) == len(archive)
    assert set(table["model_id"].to_pylist()) == {old["model_id"]} == {model_id_of(january, before.digest)}
    assert old["model_id"] != model_id_of(config, archive.digest)
    assert report_on(config, archive)
    found = verified(config)
    assert (found.problems, found.missing) == ((), ())
    assert not assign(config, archive)
    assert not catalog(config, archive)


def test_the_old_months_are_assigned_as_they_were(moved_on):
    *_, config, archive = moved_on
    was = read_events(output_of(config) / "catalog")
    assign(config, archive)
    now = read_events(output_of(config) / "catalog")
    for name in set(was.column_names) - {"run_id"}:
        before, after = was[name], now.slice(0, len(was))[name]
        if pa.types.is_floating(before.type):  # a batch of another size adds in another order
            np.testing.assert_allclose(after, before, rtol=1e-4, err_msg=name)
        else:
            assert after == before, name
    assert set(now["run_id"].to_pylist()).isdisjoint(was["run_id"].to_pylist())


def test_drift_is_told_by_month(moved_on):
    *_, config, archive = moved_on
    assign(config, archive)
    told = json.loads((output_of(config) / "catalog" / NAME).read_text())
    assert [month["month"] for month in told["months"]] == ["2024-01", "2024-02"]
    assert sum(month["events"] for month in told["months"]) == len(archive) == told["events"]
    first = told["months"][0]
    assert first["cluster_sizes"] == told["training_cluster_sizes"]
    assert first["population_stability"] == 0
    assert first["error_ratio"] == pytest.approx(1, abs=0.2)
    assert "times the training's median" in told["sentence"]


def test_training_anew_takes_over_from_the_old_model(moved_on):
    *_, config, archive = moved_on
    assign(config, archive)
    assert train_quietly(config, archive)
    assert catalog(config, archive)
    table = read_events(output_of(config) / "catalog")
    assert set(table["model_id"].to_pylist()) == {model_id_of(config, archive.digest)}
    assert not (output_of(config) / "catalog" / NAME).exists()
    report_on(config, archive)
    assert verified(config).problems == ()
    assert not assign(config, archive)


def test_there_must_be_a_model_of_these_settings(moved_on):
    *_, config, archive = moved_on
    other = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 2})})
    with pytest.raises(ChangedSettingsError, match="train: the model"):
        assign(other, archive)
    (output_of(config) / "model").remove()
    with pytest.raises(MissingStageError, match="holds no model"):
        assign(config, archive)
