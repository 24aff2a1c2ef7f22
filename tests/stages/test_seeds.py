"""Several seeds: each is trained once, the one that agrees best becomes the model, and all vote."""

import io
import json
import warnings

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from sklearn.metrics import adjusted_rand_score
from trainee import Pictures, config_of

from couloir.catalog.events import read_events
from couloir.cli import main
from couloir.dec.backend import describe_backend
from couloir.errors import CouloirWarning, DamagedError
from couloir.stages import seeds as stage
from couloir.stages.held import held_mark, read_card
from couloir.stages.seeds import is_alone, read_stability, read_votes, with_held_seeds
from couloir.stages.settings import output_of, training_hash
from couloir.stages.train import TRAINED_FILES, train
from couloir.store.location import Location
from couloir.terminal import out, show_card

from .two_months import TRAIN, write_archive

QUICK = {"epochs": 3, "max_iterations": 0, "clusters": 3}


class Stopped(BaseException):
    """What the command line raises when it is told to end."""


def quiet(phase, done, total, message):
    """Tell nobody."""


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Train seed 8 alone, then three seeds of which it is one, stopped in the middle and gone on with."""
    folder, told = tmp_path_factory.mktemp("seeds"), []
    config = config_of(folder, **QUICK, seeds=[7, 8, 9])

    def stop_at_nine(phase, done, total, message):
        if "seed 9" in message:
            raise Stopped

    with pytest.raises(Stopped):
        train(config, Pictures(), progress=stop_at_nine)
    assert read_stability(output_of(config) / "model") is None
    assert train(config, Pictures(), progress=lambda *report: told.append(report))
    return config, told


def labels_of(config, seed):
    data = (output_of(config) / "model" / "seeds" / str(seed) / "labels.npy").read_bytes()
    return np.load(io.BytesIO(data))


def test_seeds_that_are_done_are_not_trained_again(three):
    assert {message.split(" (")[0] for *_, message in three[1]} == {"seed 9"}
    assert any("(3 of 3)" in message for *_, message in three[1])
    assert not train(three[0], Pictures(), progress=quiet)


def test_stability_tells_each_pairs_agreement_and_the_models_seed(three):
    config = three[0]
    held = read_stability(output_of(config) / "model")
    runs = [labels_of(config, seed) for seed in (7, 8, 9)]
    expected = np.array([[adjusted_rand_score(one, two) for two in runs] for one in runs])
    np.testing.assert_allclose(held["ari"], expected, atol=1e-4)
    assert held["model_seed"] == (7, 8, 9)[int(expected.sum(axis=1).argmax())]
    assert held["mean_ari"] == pytest.approx((expected.sum() - 3) / 6, abs=1e-4)


def test_the_model_is_that_of_the_chosen_seed_as_if_trained_alone(three, tmp_path):
    place = output_of(three[0]) / "model"
    seed = read_stability(place)["model_seed"]
    for name in set(TRAINED_FILES) - {"model.json"}:
        assert (place / name).read_bytes() == (place / "seeds" / str(seed) / name).read_bytes()
    made = read_card(three[0]).provenance
    assert (made["train"]["seed"], made["seeds"]) == (seed, [7, 8, 9])
    assert made["model_id"] == held_mark(three[0])["model_id"]
    alone = config_of(tmp_path, **QUICK, seed=seed)
    train(alone, Pictures(), progress=quiet)
    assert (place / "dec.keras").read_bytes() == (output_of(alone) / "model" / "dec.keras").read_bytes()


def test_a_model_s_card_names_its_seeds_and_the_backend(three):
    card = read_card(three[0])
    backend = describe_backend()
    assert card.provenance["versions"][backend["name"]] == backend["version"]
    with out.capture() as shown:
        show_card(card)
    seed = read_stability(output_of(three[0]) / "model")["model_seed"]
    assert f"{seed}, of the seeds 7, 8, 9 that agrees best with the others" in shown.get()
    assert f"{backend['name']} {backend['version']}" in shown.get()


def test_votes_are_the_models_labels_where_all_agree(three):
    config = three[0]
    place = output_of(config) / "model"
    votes, seed = read_votes(config, place), read_stability(place)["model_seed"]
    sure = votes.agreement == 1
    assert sure.any()
    np.testing.assert_array_equal(votes.consensus[sure], labels_of(config, seed)[sure])
    assert votes.agreement.min() >= np.float32(1 / 3)


def test_another_seed_costs_one_more_training(three, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(stage, "is_current", lambda place, mark: trained.append(place.url) or True)
    config = three[0].model_copy(update={"train": three[0].train.model_copy(update={"seeds": (8, 7)})})
    assert train(config, Pictures(), progress=quiet)
    assert [url.rsplit("/", 1)[1] for url in trained] == ["8", "7"]
    assert json.loads((output_of(config) / "model" / "stability.json").read_text())["seeds"] == [8, 7]


def test_a_single_training_leaves_what_other_seeds_came_to(tmp_path):
    several, one = config_of(tmp_path, **QUICK, seeds=2), config_of(tmp_path, **QUICK, seeds=1)
    train(several, Pictures(), progress=quiet)
    assert train(one, Pictures(), progress=quiet)
    assert read_stability(output_of(one) / "model") is None
    told = []
    assert train(several, Pictures(), progress=lambda *report: told.append(report))
    assert not told, "what each seed came to is there already"


def test_a_number_of_seeds_counts_from_the_runs_own(tmp_path):
    config = config_of(tmp_path, seeds=3)
    assert config.train.all_seeds == (7, 8, 9)
    assert not is_alone(config)
    assert is_alone(config_of(tmp_path))
    assert read_votes(config_of(tmp_path), output_of(config)) is None
    assert training_hash(config) != training_hash(config_of(tmp_path))


@pytest.mark.parametrize("seeds", [2, [9, 4]])
def test_settings_that_name_no_seeds_go_by_the_outputs_model(seeds, tmp_path):
    asked, silent = config_of(tmp_path, **QUICK, seeds=seeds), config_of(tmp_path, **QUICK)
    assert with_held_seeds(silent) is silent
    assert train(asked, Pictures(), progress=quiet)
    assert with_held_seeds(silent).train == asked.train
    assert training_hash(with_held_seeds(silent)) == training_hash(asked)
    assert not train(with_held_seeds(silent), Pictures(), progress=quiet)
    other = config_of(tmp_path, **QUICK, seeds=1)
    assert with_held_seeds(other) is other
    assert with_held_seeds(asked) is asked


def test_commands_after_train_seeds_find_its_model(tmp_path):
    root = write_archive(tmp_path / "archive")
    run_file = tmp_path / "run.yaml"
    sections = {
        "archive": {"url": str(root), "start": "2024-01-31", "end": "2024-02-02"},
        "output": {"url": str(tmp_path / "output")},
        "detect": {"sampling_rate": 20.0, "band": [1.0, 8.0]},
        "spectrogram": {"frequencies": 16, "times": 16},
        "train": TRAIN,
        "compute": {"kind": "serial"},
    }
    run_file.write_text(yaml.safe_dump(sections))

    def couloir(*arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CouloirWarning)  # so short a training collapses
            result = CliRunner().invoke(main, [*arguments[:1], str(run_file), *arguments[1:]])
        return result.exit_code, " ".join(result.output.split())

    assert couloir("detect")[0] == 0
    assert couloir("train", "--seeds", "2")[0] == 0
    for command in ("catalog", "report", "verify", "assign", "run"):
        code, output = couloir(command)
        assert code == 0, output
    assert "the model is there already" in couloir("train")[1]
    votes = read_events(Location(str(tmp_path / "output")) / "catalog")["agreement"]
    assert votes.null_count == 0
    code, output = couloir("train", "--seeds", "1")
    assert code == 1
    assert "train.seeds 2 -> 1" in output


@pytest.mark.parametrize("seeds", [[7, 7], [], 0, 101])
def test_impossible_seeds_are_refused(seeds, tmp_path):
    from couloir.errors import ConfigError

    with pytest.raises(ConfigError, match="seeds"):
        config_of(tmp_path, seeds=seeds)


def test_a_damaged_agreement_is_found_again_without_training(three):
    config, _ = three
    path, told = output_of(config) / "model" / "stability.json", []
    path.write_bytes(b"{")
    with pytest.raises(
        DamagedError, match=r"stability\.json is damaged .*Remove it and run `couloir train --seeds"
    ):
        read_stability(output_of(config) / "model")
    path.remove()
    assert train(config, Pictures(), progress=lambda *report: told.append(report))
    assert told == []
    assert read_stability(output_of(config) / "model")["seeds"] == [7, 8, 9]
