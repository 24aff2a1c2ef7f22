"""An imported model is the run's model: not mistaken for a trained one, not replaced unasked, not misapplied."""

import itertools
import json
import shutil
from contextlib import nullcontext
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from legacy import make_model, rows_of, write_weights

from couloir.catalog.clusters import read_clusters
from couloir.catalog.events import read_events
from couloir.catalog.latent import read_latent
from couloir.cli import main
from couloir.errors import (
    ChangedSettingsError,
    ConfigError,
    CouloirWarning,
    DamagedError,
    MissingStageError,
    ModelFileError,
)
from couloir.stages.assign import assign
from couloir.stages.catalog import catalog, has_catalog
from couloir.stages.changes import refuse_changes
from couloir.stages.held import held_mark, is_imported, read_card
from couloir.stages.importing import import_model, read_names
from couloir.stages.settings import output_of
from couloir.stages.train import MODEL_FILES, TRAINED_FILES, has_model
from couloir.store.location import Location
from couloir.store.sealed import Checksum, seal, unseal

from .conftest import make_config
from .two_months import TRAIN, copy_of, detect_quietly, report_on, train_quietly, verified, write_archive


@pytest.fixture(scope="module")
def archive_root(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("import") / "archive")


@pytest.fixture(scope="module")
def base(archive_root):
    return detect_quietly(archive_root, archive_root.parent / "output")[0]


@pytest.fixture
def detected(base, tmp_path):
    """A detection run of its own, ready to import into."""
    return copy_of(base, tmp_path / "output")


@pytest.fixture
def detected_again(archive_root, tmp_path):
    """The same output after detection with other settings."""

    def detect(**sections):
        return detect_quietly(archive_root, tmp_path / "output", **sections)

    return detect


@pytest.fixture
def weights(tmp_path):
    from couloir.config import TrainConfig

    model = make_model((16, 16, 3), TrainConfig(**TRAIN))
    return str(write_weights(tmp_path / "weights.h5", rows_of(model)))


def bring(config, weights, **options):
    return import_model(config, weights, take_settings=True, **options)


def test_an_imported_model_goes_through_catalog_report_and_verify(detected, weights):
    config, archive = detected
    assert bring(config, weights, names={0: "vehicle", 1: "rockfall"})
    assert {path.name for path in (output_of(config) / "model").local_path.iterdir()} == {
        *MODEL_FILES,
        "complete.json",
    }
    assert has_model(config, archive)
    assert catalog(config, archive)
    assert report_on(config, archive)
    found = verified(config)
    assert (found.problems, found.missing) == ((), ())
    table = read_events(output_of(config) / "catalog")
    assert set(table["model_id"].to_pylist()) == {held_mark(config)["model_id"]}
    named = zip(table["cluster"].to_pylist(), table["class"].to_pylist(), strict=True)
    assert set(named) <= {(0, "vehicle"), (1, "rockfall"), (2, None)}
    rows = read_clusters(output_of(config) / "catalog")
    assert [row.majority_class for row in rows] == ["vehicle", "rockfall", None]
    assert {row.labelled for row in rows} == {0}
    page = (output_of(config) / "report" / "index.html").read_text()
    assert "imported from weights.h5" in page
    assert 'data-label="Class">rockfall' in page
    assert not catalog(config, archive)
    assert not assign(config, archive)


def test_labels_go_before_the_names_that_a_model_brings(detected, weights, tmp_path):
    truth = tmp_path / "truth.csv"
    truth.write_text("station,class,start_time,end_time\nAAA,digger,2024-01-31T00:00:00Z,2024-02-02T00:00:00Z\n")
    config, archive = detected
    config = config.model_copy(update={"catalog": config.catalog.model_copy(update={"truth": str(truth)})})
    bring(config, weights, names={0: "vehicle", 1: "vehicle", 2: "vehicle"})
    catalog(config, archive)
    rows = read_clusters(output_of(config) / "catalog")
    assert {row.majority_class for row in rows if row.events} == {"digger"}
    methods = json.loads((output_of(config) / "catalog" / "assessment.json").read_text())["methods"]
    assert [method["method"] for method in methods] == ["DEC", "k-means on PCA"]


def test_training_leaves_an_imported_model_alone_until_it_is_told_to_replace_it(detected, weights):
    config, archive = detected
    bring(config, weights)
    before = held_mark(config)
    assert not train_quietly(config, archive)
    assert held_mark(config) == before
    other = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 2})})
    refuse_changes(other, [])
    assert not train_quietly(other, archive)
    assert train_quietly(config, archive, replace_imported=True)
    assert "imported" not in held_mark(config)
    assert read_card(config).provenance["kind"] == "trained"
    assert not train_quietly(config, archive)


def test_another_model_is_replaced_only_when_asked_for(detected, weights):
    config, archive = detected
    train_quietly(config, archive)
    with pytest.raises(ChangedSettingsError, match=r"a model that was trained here.*--redo"):
        bring(config, weights)
    assert bring(config, weights, redo=True)
    assert not bring(config, weights)
    with pytest.raises(ChangedSettingsError, match="another imported model"):
        bring(config, weights, names={0: "rockfall"})
    catalog(config, archive)
    assert bring(config, weights, names={0: "rockfall"}, redo=True)
    assert not has_catalog(config, archive)


def test_the_same_import_is_the_same_bytes_and_names_make_another_model(base, weights, tmp_path):
    ids = []
    for number, names in enumerate(({}, {}, {0: "rockfall"})):
        config, _ = copy_of(base, tmp_path / f"out-{number}")
        bring(config, weights, names=names)
        ids.append((held_mark(config)["model_id"], (output_of(config) / "model" / "dec.keras").read_bytes()))
    assert ids[0] == ids[1]
    assert ids[2][0] != ids[0][0]


def test_weights_are_taken_to_be_of_the_published_spectrograms(detected, weights):
    config, _ = detected
    with pytest.raises(
        ModelFileError, match=r"detect\.sampling_rate 100.0 -> 20.0.*spectrogram.frequencies 128 -> 16"
    ):
        import_model(config, weights)
    assert held_mark(config) is None


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            {"spectrogram": {"transform": "log", "frequencies": 16, "times": 16}},
            r"spectrogram\.transform boxcox -> log",
        ),
        ({"detect": {"before_onset_s": 4.0}}, r"detect.before_onset_s 5.0 -> 4.0"),
    ],
)
def test_spectrograms_made_otherwise_are_refused_with_what_differs(
    detected, detected_again, weights, section, told
):
    config, _ = detected
    bring(config, weights)
    other, archive = detected_again(**section)
    for stage in (catalog, assign):
        with pytest.raises(ModelFileError, match=told):
            stage(other, archive)
    assert any("takes other spectrograms" in problem.what for problem in verified(other).problems)


def test_another_detection_of_the_same_spectrograms_is_no_reason_to_refuse(detected, detected_again, weights):
    config, _ = detected
    bring(config, weights)
    other, archive = detected_again(detect={"band": [2.0, 8.0], "on_factor": 10.0})
    assert catalog(other, archive)


def test_a_card_that_is_of_another_model_is_found(detected, weights):
    config, archive = detected
    bring(config, weights)
    catalog(config, archive)
    place = output_of(config) / "model"
    card = json.loads((place / "model.json").read_text())
    card["names"] = {"0": "rockfall"}
    (place / "model.json").write_text(json.dumps(card))
    mark = unseal((place / "complete.json").read_bytes())
    mark["files"]["model.json"] = asdict(Checksum.of((place / "model.json").read_bytes()))
    (place / "complete.json").write_bytes(seal(mark))
    assert any("another one than its mark" in problem.what for problem in verified(config).problems)


def test_a_damaged_import_is_not_trained_over_and_says_to_import_again(detected, weights):
    config, archive = detected
    bring(config, weights)
    (output_of(config) / "model" / "dec.keras").remove()
    assert not train_quietly(config, archive)
    with pytest.raises(MissingStageError, match="couloir model import"):
        catalog(config, archive)
    assert bring(config, weights, redo=True)
    assert catalog(config, archive)


@pytest.mark.parametrize("name", ["metrics.json", "initial_labels.npy"])
def test_a_file_of_the_model_that_is_damaged_is_told(detected, weights, name):
    config, archive = detected
    bring(config, weights)
    path = output_of(config) / "model" / name
    path.write_bytes(b"?" * path.size())
    with pytest.raises(DamagedError, match=rf"{name} is damaged.*couloir model import"):
        catalog(config, archive)
    path.remove()
    assert bring(config, weights)
    assert catalog(config, archive)


class Killed(BaseException):
    """Stand for a machine that dies: nothing that comes after it is done."""


def kill_after(monkeypatch, steps):
    """Let as many objects be written or removed, then die."""
    left = iter(range(steps))

    def dying(change):
        def change_or_die(self, *arguments):
            if next(left, None) is None:
                raise Killed
            return change(self, *arguments)

        return change_or_die

    for name in ("_put", "remove"):
        monkeypatch.setattr(Location, name, dying(getattr(Location, name)))


@pytest.mark.parametrize("trained_before", [False, True])
def test_an_import_that_is_killed_leaves_the_old_model_or_asks_to_import_again(
    detected, weights, monkeypatch, trained_before
):
    config, archive = detected
    if trained_before:
        train_quietly(config, archive)
    before, killed = held_mark(config), 0
    for steps in range(50):
        with monkeypatch.context() as patch:
            kill_after(patch, steps)
            try:
                bring(config, weights, redo=steps == 0 or held_mark(config) == before)
            except Killed:
                killed += 1
            else:
                break
        if steps == 0:
            assert held_mark(config) == before
            continue
        assert is_imported(held_mark(config))
        assert not train_quietly(config, archive)
        with pytest.raises(MissingStageError, match="Import it again: couloir model import"):
            catalog(config, archive)
        with pytest.raises(MissingStageError, match=r"was cut short\. Import the model again"):
            read_card(config)
        assert any("was cut short" in problem.what for problem in verified(config).problems)
    assert killed > len(MODEL_FILES)
    assert catalog(config, archive)
    assert verified(config).problems == ()
    assert train_quietly(config, archive, replace_imported=True)
    assert not is_imported(held_mark(config))


@pytest.fixture
def longer(base, tmp_path):
    """Another training, in an output of its own."""
    source, archive = copy_of(base, tmp_path / "source")
    source = source.model_copy(update={"train": source.train.model_copy(update={"epochs": 2})})
    train_quietly(source, archive)
    return source


def come_at_once_to(monkeypatch, config):
    """Let trainings come at once to what is in an output."""
    model = output_of(config).local_path / "model"
    labels = np.load(model / "initial_labels.npy")

    def come(*_, folder, **__):
        for name in TRAINED_FILES:
            shutil.copy(model / name, folder / name)
        return SimpleNamespace(initial_labels=labels, labels=labels)

    monkeypatch.setattr("couloir.dec.training.train", come)


def model_in(config):
    """The mark of an output's model, and all files beside it."""
    place = output_of(config).local_path / "model"
    files = {path.name: path.read_bytes() for path in place.iterdir() if path.name != "complete.json"}
    return held_mark(config), files


@pytest.mark.parametrize("imported", [False, True])
def test_a_training_that_is_killed_as_it_replaces_a_model_leaves_that_the_new_one_or_none(
    detected, weights, longer, monkeypatch, imported
):
    config, archive = detected
    if imported:
        bring(config, weights)
    else:
        train_quietly(config, archive)
    before, left = model_in(config), []
    come_at_once_to(monkeypatch, longer)
    other = longer.model_copy(update={"output": config.output})
    for steps in itertools.count():
        with monkeypatch.context() as patch:
            kill_after(patch, steps)
            try:
                train_quietly(other, archive, replace_imported=True)
            except Killed:
                left.append(model_in(config))
            else:
                break
        if left[-1][0] is None:
            assert not has_model(other, archive)
            with pytest.raises(MissingStageError, match="holds no model"):
                catalog(other, archive)
    new = model_in(longer)
    assert model_in(other) == new
    assert before[0] != new[0]
    whole = [one for one in left if one[0] is not None]
    assert before in whole
    assert all(one in (before, new) for one in whole)
    assert len(left) - len(whole) > len(TRAINED_FILES)


@pytest.fixture
def autoencoder(tmp_path):
    """Weights as they are before clustering: without centres."""
    from couloir.config import TrainConfig

    rows = rows_of(make_model((16, 16, 3), TrainConfig(**TRAIN)))
    rows = [row for row in rows if row[0] != "clustering"]
    return str(write_weights(tmp_path / "autoencoder.h5", rows))


def test_an_autoencoder_gets_its_centres_from_the_archives_events_and_says_so(detected, autoencoder):
    from couloir.dec.assign import load_model
    from couloir.dec.kmeans import run_kmeans

    config, archive = detected
    assert bring(config, autoencoder)
    card = read_card(config)
    assert card.provenance["centroids"] == f"k-means on {len(archive)} events of this archive"
    assert card.clusters == config.train.clusters
    assert "centroids: k-means on" in card.origin
    assert catalog(config, archive)
    assert report_on(config, archive)
    assert (verified(config).problems, verified(config).missing) == ((), ())
    network = load_model(output_of(config).local_path / "model" / "dec.keras")
    vectors = read_latent(output_of(config) / "catalog")
    ids = read_events(output_of(config) / "catalog")["event_id"].to_pylist()
    latent = np.array([vectors[name] for name in ids])
    expected, _ = run_kmeans(latent, 3, starts=1, seed=config.train.seed)
    np.testing.assert_allclose(network.get_layer("clustering").centroids.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert not bring(config, autoencoder)


def test_centres_of_other_settings_are_another_model(detected, autoencoder):
    config, _ = detected
    bring(config, autoencoder)
    before = held_mark(config)
    more = config.model_copy(update={"train": config.train.model_copy(update={"clusters": 4})})
    with pytest.raises(ChangedSettingsError, match="another imported model"):
        bring(more, autoencoder)
    assert bring(more, autoencoder, redo=True)
    assert read_card(more).clusters == 4
    assert held_mark(more)["model_id"] != before["model_id"]


@pytest.mark.parametrize("setting", [{"alpha": 5.0}, {"activation": "tanh"}])
def test_weights_that_answer_otherwise_are_another_model(detected, weights, setting):
    config, _ = detected
    bring(config, weights)
    before = held_mark(config)
    other = config.model_copy(update={"train": config.train.model_copy(update=setting)})
    with pytest.raises(ChangedSettingsError, match="another imported model"):
        bring(other, weights)
    assert bring(other, weights, redo=True)
    assert held_mark(other)["model_id"] != before["model_id"]


def test_an_autoencoder_before_detection_says_to_detect_first(archive_root, autoencoder, tmp_path):
    config = make_config(archive_root, tmp_path / "nothing", train=TRAIN)
    with pytest.raises(MissingStageError, match=r"autoencoder.h5 holds no cluster centres.*couloir detect"):
        bring(config, autoencoder)
    assert held_mark(config) is None


def test_what_a_training_left_goes_with_the_model_that_replaces_it(detected, weights):
    config, archive = detected
    several = config.model_copy(update={"train": config.train.model_copy(update={"seeds": 2})})
    train_quietly(several, archive)
    place = output_of(config) / "model"
    assert {"novelty.npz", "stability.json", "seeds"} <= {path.name for path in place.local_path.iterdir()}
    bring(config, weights, redo=True)
    assert {path.name for path in place.local_path.iterdir()} == {*MODEL_FILES, "complete.json"}


def test_names_come_as_pairs_or_as_a_table(tmp_path):
    (tmp_path / "names.csv").write_text("cluster,class\n0,earthquake\n3,rockfall\n")
    expected = {0: "earthquake", 3: "rockfall"}
    assert read_names("0=earthquake, 3=rockfall") == read_names(str(tmp_path / "names.csv")) == expected


def test_a_table_of_names_comes_from_a_spreadsheet_in_utf_8_or_is_refused(tmp_path):
    text = "cluster,class\n0,éboulement\n"
    (tmp_path / "names.csv").write_text(text, encoding="utf-8-sig")
    assert read_names(str(tmp_path / "names.csv")) == {0: "éboulement"}
    (tmp_path / "names.csv").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"--names: .*names\.csv line 2 is not UTF-8"):
        read_names(str(tmp_path / "names.csv"))


def test_a_cluster_cannot_be_called_as_what_is_rejected_is(detected, weights):
    config, _ = detected
    with pytest.raises(ConfigError, match=r"--names: 1=Unknown.*kept for events unlike any"):
        bring(config, weights, names={1: "Unknown"})
    assert held_mark(config) is None


@pytest.mark.parametrize("text", ["", " "])
def test_names_that_are_given_but_empty_are_refused_by_the_command(detected, weights, text):
    run_file = str(output_of(detected[0]).local_path / "run.yaml")
    given = ["model", "import", weights, run_file, "--take-settings", "--names", text]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 1
    assert f"--names {text!r}: expected names like" in result.output
    assert held_mark(detected[0]) is None


def test_labels_that_meet_nothing_are_told_with_their_stations(detected, weights, tmp_path):
    config, archive = detected
    bring(config, weights)
    head = "station,class,start_time,end_time\n"
    sound = "AAA,digger,2024-01-31T00:00:00Z,2024-02-02T00:00:00Z\n"
    nowhere = "CL99,digger,2024-01-31T00:00:00Z,2024-02-02T00:00:00Z\n"
    never = "AAA,digger,2031-01-31T00:00:00Z,2031-02-02T00:00:00Z\n"
    for setting, text, told in [
        ("labels", head + sound + nowhere + never, r"2 of 3 intervals meet no event; no event is of CL99\. Check"),
        ("labels", head + sound + never, r"1 of 2 intervals meet no event\. Check"),
        ("truth", head + sound + nowhere, r"1 of 2 intervals meet no event; no event is of CL99"),
        ("truth", head + never, r"1 of 1 intervals meet no event\. Check"),
        ("truth", head + sound + never, None),
    ]:
        path = tmp_path / f"{setting}.csv"
        path.write_text(text)
        given = config.model_copy(update={"catalog": config.catalog.model_copy(update={setting: str(path)})})
        with pytest.warns(CouloirWarning, match=rf"catalog\.{setting}: {told}") if told else nullcontext():
            assert catalog(given, archive)


@pytest.mark.parametrize("text", ["rockfall", "0=", "x=rockfall", "0=a,0=b", "-1=a", "nowhere.csv"])
def test_what_names_no_cluster_is_refused(text):
    with pytest.raises(ConfigError, match="--names"):
        read_names(text)


def test_a_name_for_a_cluster_that_is_not_there_and_a_file_that_is_not_there_are_refused(detected, weights):
    config, _ = detected
    with pytest.raises(ConfigError, match="no cluster 3; the model has the clusters 0 to 2"):
        bring(config, weights, names={3: "rockfall"})
    with pytest.raises(ConfigError, match=r"nowhere\.h5 does not exist"):
        bring(config, "nowhere.h5")


def test_names_are_taken_from_another_catalog(tmp_path):
    rows = "cluster,events,majority_class,purity\n0,9,rockfall,0.8\n1,4,,\n2,7,vehicle,0.9\n"
    (tmp_path / "clusters.csv").write_text(rows)
    assert read_names(str(tmp_path / "clusters.csv")) == {0: "rockfall", 2: "vehicle"}
