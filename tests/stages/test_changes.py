"""Other settings on an existing output are refused, said, and replaced only when asked for; nothing is mixed."""

import pytest
from click.testing import CliRunner

from couloir import jobs
from couloir.cli import main
from couloir.errors import ChangedSettingsError
from couloir.runfile import dump
from couloir.stages.changes import refuse_changes
from couloir.stages.plan import plan
from couloir.stages.run import keep_settings, open_archive
from couloir.stages.settings import output_of, training_hash
from couloir.store.sealed import seal

from .conftest import make_config


@pytest.fixture
def written(station):
    station.burst("2024-01-31T06:00:00")
    station.burst("2024-02-01T07:00:00")
    return station.write()


def blocks_of(config):
    return plan(config).inventory.blocks


def with_model(config):
    """Leave the mark of a model that these settings would make."""
    mark = {"model_id": "x", "training": training_hash(config)}
    (output_of(config) / "model" / "complete.json").write_bytes(seal({"made_from": mark, "files": {}}))


def test_the_same_settings_are_no_change_nor_are_more_days_and_stations(written, run, tmp_path):
    config = run(archive={"end": "2024-02-01"}).config
    keep_settings(config)
    with_model(config)
    refuse_changes(config, blocks_of(config))
    longer = make_config(written.root, tmp_path / "output")
    refuse_changes(longer, blocks_of(longer))


@pytest.mark.parametrize("command", ["train", "catalog", "assign", "report"])
def test_days_that_nobody_has_detected_are_not_taken_for_detected(command, written, run, tmp_path):
    before = run(archive={"end": "2024-02-01"}).config
    keep_settings(before)
    longer = make_config(written.root, tmp_path / "output")
    (tmp_path / "run.yaml").write_text(dump(longer))
    told = CliRunner().invoke(main, [command, str(tmp_path / "run.yaml")])
    assert told.exit_code == 1
    assert (
        "the latest run was of *.*.*.* from 2024-01-31 to 2024-02-01, and the run file asks for others"
        in told.stderr
    )
    assert "Run `couloir detect` first." in told.stderr
    assert "end: '2024-02-01'" in (output_of(before) / "run.yaml").read_text()
    with jobs.job(longer, detects=True):
        pass


def test_other_detection_is_refused_with_the_setting_the_blocks_and_the_remedy(written, run, tmp_path):
    keep_settings(run().config)
    other = make_config(written.root, tmp_path / "output", detect={"on_factor": 10.0})
    with pytest.raises(ChangedSettingsError) as told:
        refuse_changes(other, blocks_of(other))
    text = str(told.value)
    assert "detect: 2 of 2 blocks, 2 events (detect.on_factor 12.0 -> 10.0)" in text
    assert "--redo" in text
    assert "run.yaml" in text
    assert "train:" not in text
    refuse_changes(other, blocks_of(other), stages=["train"])


def test_other_training_is_refused_and_detection_is_not_in_question(written, run, tmp_path):
    config = run().config
    keep_settings(config)
    with_model(config)
    other = make_config(written.root, tmp_path / "output", train={"clusters": 9})
    with pytest.raises(ChangedSettingsError, match=r"train: the model \(train.clusters 6 -> 9\)") as told:
        refuse_changes(other, blocks_of(other))
    assert "detect:" not in str(told.value)
    refuse_changes(other, blocks_of(other), stages=["detect"])


def test_comparing_numbers_of_clusters_leaves_the_models_settings_alone(written, run, tmp_path, monkeypatch):
    config = run().config
    keep_settings(config)
    with_model(config)
    before, asked = (output_of(config) / "run.yaml").read_bytes(), []
    monkeypatch.setattr(jobs, "select", lambda job, *given: asked.append((job.config.train.clusters, *given)))
    path = tmp_path / "run.yaml"
    path.write_text(dump(config))

    def compare(*options):
        return CliRunner().invoke(main, ["train", str(path), "--select-k", "2:3", *options])

    assert compare("--set", "train.clusters=9").exit_code == 0
    assert asked == [(9, "2:3", None)]
    assert (output_of(config) / "run.yaml").read_bytes() == before
    told = compare("--set", "detect.on_factor=10")
    assert told.exit_code == 1
    assert "detect.on_factor 12.0 -> 10.0" in told.output
    assert len(asked) == 1


def test_a_change_of_the_version_alone_is_said_to_be_one(written, run, monkeypatch):
    config = run().config
    keep_settings(config)
    monkeypatch.setattr("couloir.stages.settings.DETECTION_VERSION", 99)
    with pytest.raises(ChangedSettingsError, match="made by another version of Couloir"):
        refuse_changes(config, blocks_of(config))


def test_a_redo_that_broke_off_is_not_mixed_with_what_was_there(written, run, tmp_path):
    from couloir.errors import StoreError

    run()
    only_january = {"archive": {"end": "2024-02-01"}, "detect": {"on_factor": 10.0}}
    run(**only_january)  # as --redo does with the first block, when it is killed before the second
    for factor in (10.0, 12.0):
        config = make_config(written.root, tmp_path / "output", detect={"on_factor": factor})
        with pytest.raises(ChangedSettingsError, match="1 of 2 blocks"):
            refuse_changes(config, blocks_of(config))
        with pytest.raises(StoreError, match="other settings"):
            open_archive(config, plan(config))
