import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from couloir.dec.assign import _mean_of_fields, assign, load_model
from couloir.dec.drift import ratios_to_training
from couloir.dec.holdout import hold_out
from couloir.dec.reference import median_by_cluster
from couloir.errors import MissingStageError, TrainingError


@pytest.fixture(scope="module")
def assignment(trained, samples):
    return assign(trained.model, samples)


def test_a_saved_model_gives_identical_assignments(trained, folder, samples, assignment):
    model = load_model(folder / "dec.keras")
    again = assign(model, samples)
    np.testing.assert_array_equal(again.q, assignment.q)
    ratios = [ratios_to_training(one, said).larger for one, said in ((model, again), (trained.model, assignment))]
    np.testing.assert_array_equal(*ratios)


def test_parts_agree_with_the_models_outputs(trained, samples, assignment):
    images = samples.astype(np.float32)
    outputs = trained.model.predict_on_batch(images)
    np.testing.assert_allclose(assignment.q, outputs["q"], rtol=1e-4)
    error = np.mean((images - outputs["reconstruction"]) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(assignment.reconstruction_error, error, rtol=1e-4)
    fields = (images - outputs["reconstruction"]).reshape(96, 8, 4, 8, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(assignment.residual, fields.reshape(96, -1), atol=1e-5)


def test_fields_of_odd_sizes_leave_out_the_rest():
    images = np.random.default_rng(0).normal(size=(2, 29, 13, 3)).astype(np.float32)
    expected = images[:, :27, :13].reshape(2, 9, 3, 13, 1, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(_mean_of_fields(images), expected, atol=1e-6)


def test_cluster_confidence_and_margin_come_from_q(assignment):
    ordered = np.sort(assignment.q, axis=1)[:, ::-1]
    np.testing.assert_array_equal(assignment.cluster, assignment.q.argmax(axis=1))
    np.testing.assert_array_equal(assignment.confidence, ordered[:, 0])
    np.testing.assert_array_equal(assignment.margin, ordered[:, 0] - ordered[:, 1])


def test_arrays_have_the_stated_types_and_shapes(assignment):
    shapes = {name: (array.shape, array.dtype) for name, array in vars(assignment).items()}
    each = ((96,), np.dtype(np.float32))
    assert shapes == {
        "latent": ((96, 4), np.dtype(np.float32)),
        "q": ((96, 3), np.dtype(np.float32)),
        "cluster": ((96,), np.dtype(np.int32)),
        "confidence": each,
        "margin": each,
        "reconstruction_error": each,
        "residual": ((96, 192), np.dtype(np.float32)),
    }


def test_batches_of_any_size_give_the_same_assignment(trained, recorder, assignment):
    told = []
    small = assign(trained.model, recorder, batch=32, progress=lambda *report: told.append(report[:3]))
    np.testing.assert_allclose(small.q, assignment.q, rtol=1e-4)
    assert told == [("assign", 32, 96), ("assign", 64, 96), ("assign", 96, 96)]


def test_no_samples_give_an_empty_assignment(trained, samples):
    empty = assign(trained.model, samples[:0])
    assert len(empty) == 0
    assert empty.q.shape == (0, 3)


def test_ratios_to_training_are_those_to_the_medians_of_what_was_trained_on(trained, assignment, settings):
    centroids = trained.model.get_layer("clustering").get_weights()[0]
    distance = np.linalg.norm(assignment.latent - centroids[assignment.cluster], axis=1)
    expected, fit = np.empty(96), np.isin(np.arange(96), hold_out(96, settings)[0])
    for number in range(3):
        own = assignment.cluster == number
        ratios = [v[own] / np.median(v[own & fit]) for v in (distance, assignment.reconstruction_error)]
        expected[own] = np.max(ratios, axis=0)
    np.testing.assert_allclose(ratios_to_training(trained.model, assignment).larger, expected, rtol=1e-3)


def test_pictures_of_no_known_class_are_newer_than_nearly_all_known_ones(trained, assignment):
    generator = np.random.default_rng(5)
    board = np.indices((32, 16)).sum(axis=0) // 4 % 2 * 3.0
    unseen = board[None, ..., None] + generator.normal(scale=0.4, size=(20, 32, 16, 3))
    unseen = ((unseen - unseen.mean()) / unseen.std()).astype(np.float16)
    said = (assignment, assign(trained.model, unseen))
    ratios = np.concatenate([ratios_to_training(trained.model, one).larger for one in said])
    assert roc_auc_score(np.arange(len(ratios)) >= len(assignment), ratios) > 0.9


def test_a_cluster_without_members_takes_the_medians_of_all():
    medians = median_by_cluster(np.array([1, 3, 8], np.float32), np.array([0, 0, 2], np.int32), 3)
    np.testing.assert_array_equal(medians, [2, 3, 8])


def test_identical_members_do_not_make_everything_else_infinitely_new():
    assert (median_by_cluster(np.zeros(4, np.float32), np.zeros(4, np.int32), 1) > 0).all()


def test_spectrograms_of_another_shape_are_refused(trained, samples):
    with pytest.raises(TrainingError, match=r"\(32, 16, 3\); found \(32, 16, 2\)"):
        assign(trained.model, samples[..., :2])


def test_a_missing_model_says_which_stage_writes_it(tmp_path):
    with pytest.raises(MissingStageError, match=r"dec\.keras\. Train one first: couloir train"):
        load_model(tmp_path / "dec.keras")


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "dec.keras"
    path.write_bytes(b"not a zip archive")
    with pytest.raises(TrainingError, match=r"dec\.keras cannot be read as a Keras model"):
        load_model(path)


def test_a_keras_model_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "other.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="latent")]).save(path)
    with pytest.raises(TrainingError, match="not one that couloir train wrote"):
        load_model(path)


def test_code_inside_a_model_file_is_not_run(tmp_path):
    path = tmp_path / "evil.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]).save(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        load_model(path)
