import keras
import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import mean_squared_error

from couloir.config import AugmentConfig
from couloir.dec import joint
from couloir.dec.augment import Augmenter
from couloir.dec.clustering import assigner_of, build_clustering_model, target_distribution
from couloir.dec.joint import JointModel, cluster
from couloir.dec.log import TrainingLog
from couloir.dec.networks import build_autoencoder, encoder_of
from couloir.dec.renewal import renew_targets
from couloir.dec.steps import StepRunner


@pytest.fixture
def start(samples, settings):
    """Make the same untrained clustering model each time it is called."""

    def make():
        autoencoder = build_autoencoder(samples.shape[1:], settings)
        latent = encoder_of(autoencoder).predict_on_batch(samples.astype(np.float32))
        return build_clustering_model(autoencoder, latent[:3], alpha=1.0)

    return make


@pytest.fixture
def go(samples, settings, start, tmp_path):
    """Cluster from the same start with some settings changed."""

    def run(samples=samples, **changes):
        model = start()
        with TrainingLog(tmp_path / "log.csv") as log:
            return model, cluster(model, samples, settings=settings.model_copy(update=changes), log=log)

    return run


def test_joint_loss_is_the_weighted_sum_of_kl_and_mean_squared_error(samples, start):
    model, images = start(), samples[:10].astype(np.float32)
    plain = Augmenter(AugmentConfig(), seed=1, purpose="cluster")
    training = JointModel(model, plain, kl_weight=0.3, reconstruction_weight=2.0)
    outputs = model.predict_on_batch(images)
    p = target_distribution(outputs["q"])
    losses = training.measure(training(images, training=True), p)
    loss, noted = (float(keras.ops.convert_to_numpy(losses[name])) for name in training.loss_names)
    kl = np.mean([entropy(a, b) for a, b in zip(p, outputs["q"], strict=True)])
    mse = mean_squared_error(images.reshape(10, -1), outputs["reconstruction"].reshape(10, -1))
    assert (loss, noted) == (pytest.approx(0.3 * kl + 2 * mse, rel=1e-4), pytest.approx(mse, rel=1e-4))


def test_steps_use_the_targets_of_their_own_samples(go, start, samples, monkeypatch):
    pairs = []

    class Spy(StepRunner):
        def run(self, drawn, targets=None):
            pairs.extend(zip(drawn.table[drawn.places[0]], targets[drawn.indices[0]], strict=True))
            return super().run(drawn, targets)

    monkeypatch.setattr(joint, "StepRunner", Spy)
    go(max_iterations=6, update_interval=6)
    expected = renew_targets(assigner_of(start()), samples).targets
    assert len(pairs) == len(samples)
    for image, target in pairs:
        (index,) = np.flatnonzero((samples == image).all(axis=(1, 2, 3)))
        np.testing.assert_allclose(target, expected[index], rtol=1e-6)


def test_clustering_reads_all_samples_at_renewals_and_each_once_an_epoch_between(go, recorder):
    go(recorder, max_iterations=6, update_interval=6)
    renewal, epoch, *ahead, last = recorder.asked
    assert len(renewal) == len(last) == len(recorder)
    for read in (epoch, *ahead):  # the next epoch is read ahead
        assert sorted(read) == list(range(len(recorder)))


def test_renewals_do_not_run_the_decoder(start, samples, settings, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the decoder was run")

    model = start()
    monkeypatch.setattr(model.get_layer("expand"), "call", refuse)
    with pytest.raises(AssertionError, match="the decoder was run"):
        model.predict_on_batch(samples[:2].astype(np.float32))
    with TrainingLog(tmp_path / "log.csv") as log:
        only_renew = settings.model_copy(update={"max_iterations": 0})
        assert cluster(model, samples, settings=only_renew, log=log).renewals == 1


def test_clustering_ends_at_the_last_iteration_even_between_renewals(go):
    _, clustered = go(max_iterations=11, update_interval=4)
    assert (clustered.iterations, clustered.renewals) == (11, 4)
    assert clustered.stopped_because == "max_iterations"


def test_clustering_ends_when_labels_rest(go):
    _, clustered = go(learning_rate=1e-9, tolerance=0.001, update_interval=4)
    assert clustered.stopped_because == "converged"
    assert clustered.iterations == 4


def test_no_iterations_leave_the_model_as_k_means_made_it(go, start):
    model, clustered = go(max_iterations=0)
    assert clustered.iterations == clustered.best_iteration == 0
    for kept, first in zip(model.get_weights(), start().get_weights(), strict=True):
        np.testing.assert_array_equal(kept, first)


def test_model_is_left_as_it_was_at_its_best_renewal(go):
    # Without the reconstruction the loss soon rises; the same run cut at its best renewal is the oracle.
    wild = {"reconstruction_weight": 0.0, "learning_rate": 0.03, "update_interval": 3}
    model, clustered = go(max_iterations=24, **wild)
    assert 0 < clustered.best_iteration < clustered.iterations
    oracle, _ = go(max_iterations=clustered.best_iteration, **wild)
    for kept, expected in zip(model.get_weights(), oracle.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, expected)
