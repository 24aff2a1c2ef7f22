import csv
import json
from dataclasses import FrozenInstanceError

import keras
import numpy as np
import pytest

from couloir.dec.assign import assign
from couloir.dec.holdout import Parts
from couloir.dec.novelty import load_novelty
from couloir.dec.record import hash_weights
from couloir.dec.training import train
from couloir.errors import CouloirWarning, TrainingError


@pytest.fixture
def metrics(trained, folder):
    return json.loads((folder / "metrics.json").read_text())


def test_clusters_are_the_classes_of_easy_pictures(trained, pictures):
    for labels in (trained.labels, trained.initial_labels):
        pairs = set(zip(pictures[1], labels.tolist(), strict=True))
        assert len(pairs) == 3


def test_labels_are_the_models_own_largest_q(trained, samples):
    q = trained.model.predict_on_batch(samples.astype(np.float32))["q"]
    np.testing.assert_array_equal(trained.labels, q.argmax(axis=1))


def test_trained_cannot_be_changed(trained):
    with pytest.raises(FrozenInstanceError):
        trained.iterations = 0


def test_log_has_a_line_for_each_epoch_and_each_renewal(trained, folder):
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [(row["phase"], int(row["step"])) for row in rows]
    assert steps == [("pretrain", n) for n in range(1, 9)] + [("cluster", n) for n in (0, 8, 16, 20)]
    assert float(rows[7]["loss"]) < float(rows[0]["loss"])
    assert rows[8]["loss"] == ""
    for row in rows[9:]:
        joint = 0.1 * float(row["kl"]) + float(row["reconstruction"])
        assert float(row["loss"]) == pytest.approx(joint, rel=1e-4)


def test_training_with_given_parts_is_training_on_the_one_and_calibration_on_the_other(
    samples, settings, tmp_path
):
    short = settings.model_copy(update={"epochs": 1, "max_iterations": 2})
    parts = Parts(np.arange(0, 80), np.arange(80, 96))
    given = train(samples, short, folder=tmp_path / "given", parts=parts)
    alone = train(samples[:80], short.model_copy(update={"holdout": 0}), folder=tmp_path / "alone")
    assert hash_weights(given.model) == hash_weights(alone.model)
    np.testing.assert_array_equal(given.initial_labels[:80], alone.initial_labels)
    novelty = load_novelty(tmp_path / "given" / "novelty.npz")
    scores = novelty.score(*assign(given.model, samples[80:]).place)
    np.testing.assert_allclose(novelty.calibration, np.sort(scores), rtol=1e-4)


def test_metrics_say_how_training_went(trained, metrics, samples):
    assert metrics["seed"] == 7
    assert metrics["samples"] == 96
    assert metrics["epochs"] == 8
    assert metrics["iterations"] == trained.iterations == 20
    assert metrics["stopped_because"] == trained.stopped_because == "max_iterations"
    assert metrics["cluster_sizes"] == [32, 32, 32]
    assert metrics["collapse"] == list(trained.collapse) == []
    assert metrics["parameters"]["centroids"] == 3 * 4
    assert metrics["backend"]["name"] == keras.backend.backend()
    assert metrics["weights_sha256"] == hash_weights(trained.model)


def test_metrics_hold_the_losses_of_the_model_as_kept(trained, metrics, samples):
    images = samples.astype(np.float32)
    restored = trained.model.predict_on_batch(images)["reconstruction"]
    loss = metrics["loss"]
    assert loss["reconstruction"] == pytest.approx(np.mean((images - restored) ** 2), rel=1e-3)
    assert loss["joint"] == pytest.approx(loss["reconstruction"] + 0.1 * loss["kl"], rel=1e-6)


def test_autoencoders_parameters_are_counted_without_the_clustering_layer(metrics, trained):
    layers = [layer for layer in trained.model.layers if layer.name != "clustering"]
    assert metrics["parameters"]["autoencoder"] == sum(layer.count_params() for layer in layers)


def test_progress_tells_each_phase_up_to_its_end(trained, told):
    for phase, total in (("pretrain", 48), ("k-means", 3), ("cluster", 20), ("assign", 96)):
        reports = [report for report in told if report[0] == phase]
        assert [done for _, done, _, _ in reports] == sorted(done for _, done, _, _ in reports)
        assert reports[-1][1] == reports[-1][2] == total


def test_no_half_written_model_is_left(trained, folder):
    assert {path.name for path in folder.iterdir()} == {"dec.keras", "log.csv", "metrics.json", "novelty.npz"}


def test_the_same_seed_gives_the_same_bytes_of_weights(trained, samples, settings, tmp_path):
    again = train(samples, settings, folder=tmp_path)
    for first, second in zip(trained.model.get_weights(), again.model.get_weights(), strict=True):
        assert first.tobytes() == second.tobytes()


def test_a_batch_larger_than_the_samples_takes_them_all_and_says_so(samples, settings, tmp_path):
    large = settings.model_copy(update={"batch": 1000, "epochs": 1, "max_iterations": 0})
    messages = []
    result = train(samples, large, folder=tmp_path, progress=lambda *report: messages.append(report[3]))
    assert "train.batch is 1000, but there are only 87 samples" in result.notes[0]
    assert result.notes[0] in messages
    assert json.loads((tmp_path / "metrics.json").read_text())["batch"] == 87


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_a_collapse_is_warned_of_and_recorded(samples, settings, tmp_path):
    copies = np.repeat(samples[:2], 24, axis=0)
    quick = settings.model_copy(update={"epochs": 1, "max_iterations": 4, "update_interval": 2})
    with pytest.warns(CouloirWarning, match=r"collapsed: 1 of 3 clusters are empty.*no sound state to keep"):
        result = train(copies, quick, folder=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert result.collapse == tuple(metrics["collapse"]) != ()
    assert "collapsed at 3 of 3 renewals" in metrics["notes"][0]


def test_samples_that_cannot_be_trained_on_leave_an_earlier_result_alone(samples, settings, tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(TrainingError, match="Found 4"):
        train(samples[:4], settings, folder=tmp_path)
    assert (tmp_path / "metrics.json").exists()


def test_a_training_that_fails_leaves_no_mark_of_a_finished_one(samples, settings, tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(TrainingError, match="learning_rate"):
        train(samples, settings.model_copy(update={"learning_rate": 1e30}), folder=tmp_path)
    assert not (tmp_path / "metrics.json").exists()
