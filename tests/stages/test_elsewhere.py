"""The model of another output is taken over with its card and calibration, or refused with what is wrong."""

import json
import shutil
from dataclasses import asdict

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from couloir.catalog.events import read_events
from couloir.cli import main
from couloir.errors import ChangedSettingsError, ConfigError, DamagedError, ModelFileError
from couloir.stages.catalog import catalog, run_id
from couloir.stages.drift import NAME
from couloir.stages.held import held_mark, read_card
from couloir.stages.importing import import_model
from couloir.stages.settings import output_of
from couloir.stages.train import TRAINED_FILES
from couloir.store.sealed import Checksum, seal, unseal

from .two_months import copy_of, detect_quietly, report_on, train_quietly, verified, write_archive

RATE = 0.7  # of two windows held out one is enough for it


@pytest.fixture(scope="module")
def archive_root(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("elsewhere") / "archive")


@pytest.fixture(scope="module")
def detected(archive_root):
    return detect_quietly(archive_root, archive_root.parent / "output", catalog={"false_reject_rate": RATE})


@pytest.fixture(scope="module")
def trained(detected, tmp_path_factory):
    """An output with a model that was trained there, and its catalog."""
    config, archive = copy_of(detected[0], tmp_path_factory.mktemp("trained") / "output")
    train_quietly(config, archive)
    catalog(config, archive)
    return config, archive


@pytest.fixture
def here(detected, tmp_path):
    """An output without a model."""
    return copy_of(detected[0], tmp_path / "here")


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the trained model, to be damaged."""
    return shutil.copytree(output_of(trained[0]).local_path / "model", tmp_path / "model")


def model_of(config):
    return output_of(config).local_path / "model"


def seal_again(folder):
    """Let the mark agree with what lies there now."""
    mark = unseal((folder / "complete.json").read_bytes())
    mark["files"] = {name: asdict(Checksum.of((folder / name).read_bytes())) for name in mark["files"]}
    (folder / "complete.json").write_bytes(seal(mark))


@pytest.mark.parametrize("given", ["", "/", "/dec.keras"])
def test_a_folder_or_the_file_in_it_is_the_same_model(trained, here, given):
    config, _ = here
    assert import_model(config, f"{model_of(trained[0])}{given}")
    files = {path.name for path in model_of(config).iterdir()}
    assert files == {*TRAINED_FILES, "complete.json"}
    assert (model_of(config) / "dec.keras").read_bytes() == (model_of(trained[0]) / "dec.keras").read_bytes()
    assert not import_model(config, str(model_of(trained[0])))


def test_it_says_of_the_same_events_what_it_said_there_and_rejects_the_same(trained, here):
    config, archive = here
    import_model(config, str(model_of(trained[0])))
    assert catalog(config, archive)
    there, now = (read_events(output_of(other) / "catalog") for other in (trained[0], config))
    for name in ("cluster", "confidence", "novelty", "novelty_p", "rejected"):
        assert now[name] == there[name], name
    assert now["novelty_p"].null_count == 0
    assert any(now["rejected"].to_pylist())
    told = json.loads((output_of(config) / "catalog" / NAME).read_text())
    assert told["training_cluster_sizes"] is not None
    assert "times the training's median" in told["sentence"]
    assert report_on(config, archive)
    assert (verified(config).problems, verified(config).missing) == ((), ())


def test_a_calibration_that_is_damaged_is_told_and_names_the_output(trained, here):
    config, archive = here
    import_model(config, str(model_of(trained[0])))
    path = model_of(config) / "novelty.npz"
    path.write_bytes(
        path.read_bytes()[:4].ljust(path.stat().st_size, b"?")
    )  # the size is right: a zip that is none
    with pytest.raises(DamagedError, match=r"model/novelty\.npz is damaged.*couloir model import"):
        catalog(config, archive)


def test_names_and_provenance_travel_through_any_number_of_outputs(trained, here, detected, tmp_path):
    config, _ = here
    import_model(config, str(model_of(trained[0])), names={0: "vehicle", 2: "rockfall"})
    card = read_card(config)
    assert card.provenance["model_id"] == held_mark(trained[0])["model_id"]
    assert card.provenance["came_from"]["kind"] == "trained"
    assert card.provenance["file"] == str(model_of(trained[0]) / "dec.keras")
    third, archive = copy_of(detected[0], tmp_path / "third")
    import_model(third, str(model_of(config)))
    again = read_card(third)
    assert again.names == {0: "vehicle", 2: "rockfall"}
    assert again.provenance["model_id"] == card.model_id
    assert again.provenance["came_from"]["came_from"]["kind"] == "trained"
    assert f"trained on {len(archive)} events" in again.origin
    renamed, _ = copy_of(detected[0], tmp_path / "renamed")
    import_model(renamed, str(model_of(config)), names={1: "earthquake"})
    assert read_card(renamed).names == {1: "earthquake"}


def test_another_calibration_is_another_model_and_another_run(folder, here):
    config, archive = here
    import_model(config, str(folder))
    before, run = held_mark(config), run_id(config, archive, held_mark(config))
    with np.load(folder / "novelty.npz") as held:
        arrays = dict(held)
    np.savez(folder / "novelty.npz", **{**arrays, "calibration": arrays["calibration"] + 1})
    seal_again(folder)
    with pytest.raises(ChangedSettingsError, match="another imported model"):
        import_model(config, str(folder))
    assert import_model(config, str(folder), redo=True)
    assert held_mark(config)["model_id"] != before["model_id"]
    assert run_id(config, archive, held_mark(config)) != run


def test_spectrograms_made_otherwise_are_refused_with_what_differs(trained, archive_root, tmp_path):
    other, _ = detect_quietly(archive_root, tmp_path / "other", detect={"before_onset_s": 4.0})
    with pytest.raises(ModelFileError, match=r"detect.before_onset_s 5.0 -> 4.0"):
        import_model(other, str(model_of(trained[0])))
    assert held_mark(other) is None


def cut(folder):
    path = folder / "dec.keras"
    path.write_bytes(path.read_bytes()[:5000])


def flip(folder):
    data = bytearray((folder / "novelty.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "novelty.npz").write_bytes(data)


def forge_calibration(folder):
    (folder / "novelty.npz").write_bytes(b"PK\x03\x04 nothing")
    seal_again(folder)


def forge_model(folder):
    cut(folder)
    seal_again(folder)


def replace_by_foreign(folder):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(folder / "dec.keras")
    seal_again(folder)


def replace_by_code(folder):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
    model.save(folder / "dec.keras")
    seal_again(folder)


def claim_other_clusters(folder):
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "clusters": 7}))
    seal_again(folder)


def break_card(folder):
    (folder / "model.json").write_text("{}")
    seal_again(folder)


def other_array(name, change):
    """Change one array of the calibration."""

    def spoil(folder):
        with np.load(folder / "novelty.npz") as held:
            arrays = dict(held)
        np.savez(folder / "novelty.npz", **{**arrays, name: change(arrays[name])})
        seal_again(folder)

    return spoil


def cut_last(array):
    return array[..., :-1]


def of_another_format(folder):
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "format": 2}))
    seal_again(folder)


def of_other_metrics(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "cluster_sizes": [20, 0]}))
    seal_again(folder)


def of_no_labels(folder):
    (folder / "initial_labels.npy").write_bytes(b"x")
    seal_again(folder)


def remove(name):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (remove("model.json"), r"lacks model\.json\. Give the whole folder"),
        (remove("dec.keras"), r"lacks dec\.keras"),
        (remove("novelty.npz"), r"lacks novelty\.npz"),
        (remove("complete.json"), r"lacks complete\.json.*training has ended"),
        (cut, r"dec\.keras has 5,000 bytes.*fetch the folder again"),
        (flip, r"novelty\.npz holds other bytes"),
        (forge_model, r"no model of Couloir's that can be used: dec\.keras cannot be read"),
        (forge_calibration, r"no model of Couloir's that can be used: File is not a zip"),
        (replace_by_foreign, r"not one that couloir train wrote"),
        (replace_by_code, r"cannot be read as a Keras model"),
        (claim_other_clusters, r"model\.json and dec\.keras are of different models"),
        *(
            (other_array(name, cut_last), rf"calibration of novelty has {told} \(")
            for name, told in [
                ("centre", "centre"),
                ("basis", "means"),
                ("residual_centre", "residual_centre"),
                ("residual_basis", "means"),
                ("error_scale", "error_scale"),
                ("weights", "weights"),
                ("means", "means"),
                ("precisions", "precisions"),
                ("rare_body", "rare_body"),
                ("noise_body", "noise_body"),
            ]
        ),
        (other_array("noise", lambda array: np.ones(2)), r"has noise \(2,\); the model takes \(0,\) or"),
        (other_array("calibration", lambda array: array[None]), r"has calibration \(1, "),
        (other_array("calibration", lambda array: array - np.arange(len(array)) * 1e6), r"does not rise"),
        (other_array("means", lambda array: array * np.nan), r"means that are not all finite"),
        (other_array("means", lambda array: array.astype(str)), r"means that are not all finite"),
        (of_another_format, r"model\.json is of format 2, and this version of Couloir knows format 1"),
        (of_other_metrics, r"metrics\.json or initial_labels\.npy is damaged, or not of this model"),
        (of_no_labels, r"metrics\.json or initial_labels\.npy is damaged, or not of this model"),
        (break_card, r"model\.json is damaged"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_wrong(folder, here, spoil, told):
    spoil(folder)
    with pytest.raises((ModelFileError, DamagedError), match=told):
        import_model(here[0], str(folder))
    assert held_mark(here[0]) is None


def test_a_file_alone_a_folder_without_a_model_and_take_settings_are_refused(folder, here, tmp_path):
    alone = tmp_path / "alone" / "dec.keras"
    alone.parent.mkdir()
    shutil.copy(folder / "dec.keras", alone)
    with pytest.raises(ModelFileError, match=r"lacks .*model\.json"):
        import_model(here[0], str(alone))
    with pytest.raises(ConfigError, match="a folder without a model"):
        import_model(here[0], str(tmp_path))
    with pytest.raises(ConfigError, match="--take-settings"):
        import_model(here[0], str(folder), take_settings=True)
    with pytest.raises(ModelFileError, match=r"other\.keras: a model of Couloir's is called dec\.keras"):
        import_model(here[0], str(folder / "other.keras"))
    with pytest.raises(ModelFileError, match=r"lacks dec\.keras"):
        import_model(here[0], "dec.keras")
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        import_model(here[0], "nowhere")


def test_a_name_for_no_cluster_is_refused(folder, here):
    with pytest.raises(ConfigError, match="no cluster 3"):
        import_model(here[0], str(folder), names={3: "rockfall"})


def test_the_command_imports_a_url_and_says_what_is_wrong_without_a_traceback(folder, here, trained):
    config, _ = here
    run_file = str(output_of(config).local_path / "run.yaml")
    result = CliRunner().invoke(main, ["model", "import", f"file://{model_of(trained[0])}", run_file])
    assert result.exit_code == 0, result.output
    assert "trained on 20 events" in result.output.replace("\n", " ")
    cut(folder)
    result = CliRunner().invoke(main, ["model", "import", str(folder / "dec.keras"), run_file, "--redo"])
    assert result.exit_code == 1
    assert "Copy or fetch the folder again" in result.output
    assert "Traceback" not in result.output
