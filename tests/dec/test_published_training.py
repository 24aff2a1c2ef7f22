"""What the published systems need of training: their optimizers, no decoder, the last state, changed samples."""

import keras
import numpy as np
import pytest
from batches import drawn
from checkpoints import Memory, result_of
from scipy.stats import entropy

from couloir.config import AugmentConfig
from couloir.dec import joint
from couloir.dec.augment import Augmenter
from couloir.dec.checkpoint import unpack
from couloir.dec.clustering import assigner_of, build_clustering_model, target_distribution
from couloir.dec.joint import JointModel, cluster
from couloir.dec.keeper import Keeper
from couloir.dec.learner import Learner
from couloir.dec.log import TrainingLog
from couloir.dec.networks import build_autoencoder, encoder_of
from couloir.dec.optimizers import Descent, clustering_descent, pretraining_descent
from couloir.dec.pretrain import Denoiser
from couloir.dec.renewal import renew_targets
from couloir.dec.steps import StepRunner
from couloir.dec.training import train
from couloir.errors import TrainingError

DECODER = ("expand", "decoder_1", "reconstruction")
PLAIN = Augmenter(AugmentConfig(), seed=1, purpose="cluster")
CHANGES = AugmentConfig(shift=0.2, gain=0.3, noise=0.2, time_mask=0.3)


class Stopped(BaseException):
    """What the caller raises to end a training."""


class Parabola(Learner):
    """One weight w, from 1, and the loss w^2 / 2, whose gradient is w."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight(name="w", shape=(), initializer="ones")
        self.built = True

    def call(self, x, training=None):
        return {"w": self.w}

    def measure(self, outputs, targets):
        return {"loss": keras.ops.square(outputs["w"]) / 2}


def changes(**settings):
    return Augmenter(AugmentConfig(**settings), seed=1, purpose="cluster")


@pytest.fixture
def start(samples, settings):
    autoencoder = build_autoencoder(samples.shape[1:], settings)
    latent = encoder_of(autoencoder).predict_on_batch(samples.astype(np.float32))
    return build_clustering_model(autoencoder, latent[:3], alpha=1.0)


def decoder_weights(model):
    return [weight for name in DECODER for weight in model.get_layer(name).get_weights()]


def go(model, samples, settings, folder, **changes):
    with TrainingLog(folder / "log.csv") as log:
        return cluster(model, samples, settings=settings.model_copy(update=changes), log=log)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_goes_down_with_momentum_as_written(momentum):
    model = Parabola()
    runner = StepRunner(model, descent=Descent("sgd", 0.1, momentum), phase="a test")
    w, v = 1.0, 0.0
    for _ in range(5):
        v = momentum * v - 0.1 * w
        w += v
        runner.run(drawn(np.zeros((2, 1), np.float32)))
    assert float(model.w.numpy() if hasattr(model.w, "numpy") else model.w) == pytest.approx(w, rel=1e-5)


def test_clustering_has_the_optimizer_of_pretraining_or_its_own(settings):
    own = {"clustering_optimizer": "sgd", "clustering_learning_rate": 0.5, "momentum": 0.7}
    assert pretraining_descent(settings) == clustering_descent(settings) == Descent("adam", 0.01)
    changed = settings.model_copy(update=own)
    assert pretraining_descent(changed) == Descent("adam", 0.01, 0.7)
    assert clustering_descent(changed) == Descent("sgd", 0.5, 0.7, "train.clustering_learning_rate")


def test_a_diverging_clustering_names_its_own_learning_rate(samples, settings, start, tmp_path):
    wild = {"clustering_optimizer": "sgd", "clustering_learning_rate": 1e30, "max_iterations": 9}
    with pytest.raises(TrainingError, match=r"train\.clustering_learning_rate 1e\+30"):
        go(start, samples, settings, tmp_path, **wild)


def test_without_a_reconstruction_the_loss_is_weighted_kl(samples, start):
    images = samples[:10].astype(np.float32)
    q = assigner_of(start).predict_on_batch(images)
    p = target_distribution(q)
    alone = keras.Model(start.inputs[0], {"q": assigner_of(start).output})
    learner = JointModel(alone, PLAIN, kl_weight=0.3, reconstruction_weight=0.0)
    loss = learner.measure(learner(images, training=True), p)["loss"]
    kl = np.mean([entropy(a, b) for a, b in zip(p, q, strict=True)])
    assert float(keras.ops.convert_to_numpy(loss)) == pytest.approx(0.3 * kl, rel=1e-4)


def test_changed_samples_are_compared_with_what_they_shall_be_restored_to(samples, start):
    images = samples[:10].astype(np.float32)
    targets = target_distribution(start.predict_on_batch(images)["q"])
    joint_model = JointModel(start, changes(noise=0.5, gain=0.3), kl_weight=0.0, reconstruction_weight=1.0)
    image = keras.Input(images.shape[1:])
    identity = keras.Model(image, keras.layers.Identity()(image))
    denoiser = Denoiser(identity, changes(noise=0.5, gain=0.3), noise=0.0, seed=1)
    for learner, given in ((joint_model, targets), (denoiser, None)):
        outputs = {name: np.asarray(value) for name, value in learner(images, training=True).items()}
        gains = outputs["image"].mean(axis=(1, 2)) / images.mean(axis=(1, 2))
        np.testing.assert_allclose(outputs["image"], images * gains[:, None, None], atol=1e-3)  # moved, not spoilt
        assert np.ptp(gains) > 0.2
        loss = float(keras.ops.convert_to_numpy(learner.measure(outputs, given)["loss"]))
        assert loss == pytest.approx(np.mean((outputs["image"] - outputs["reconstruction"]) ** 2), rel=1e-4)
    assert loss == pytest.approx(0.25, rel=0.05)  # what the identity is given is spoilt


def test_nothing_is_changed_without_training(samples):
    images = samples[:4].astype(np.float32)
    for found in changes(noise=0.5, gain=0.3)(images, training=False):
        np.testing.assert_array_equal(found, images)


def test_without_reconstruction_weight_the_decoder_is_neither_run_nor_changed(
    samples, settings, start, tmp_path, monkeypatch
):
    def refuse(*_, **__):
        raise AssertionError("the decoder was run")

    before, encoder = decoder_weights(start), start.get_layer("encoder_1").get_weights()
    monkeypatch.setattr(start.get_layer("expand"), "call", refuse)
    go(start, samples, settings, tmp_path, reconstruction_weight=0.0, max_iterations=9)
    assert all(np.array_equal(a, b) for a, b in zip(before, decoder_weights(start), strict=True))
    assert not np.array_equal(encoder[0], start.get_layer("encoder_1").get_weights()[0])


def test_best_of_an_encoder_only_clustering_is_that_of_the_lowest_kl(samples, settings, start, tmp_path):
    clustered = go(
        start,
        samples,
        settings,
        tmp_path,
        reconstruction_weight=0.0,
        learning_rate=0.03,
        update_interval=3,
        max_iterations=24,
    )
    rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    kl = {int(row[1]): float(row[4]) for row in rows if int(row[1])}
    assert clustered.best_iteration == min(kl, key=kl.get)
    assert min(kl, key=kl.get) != max(kl)


def test_keep_last_leaves_the_state_of_the_last_renewal(samples, settings, start, tmp_path):
    wild = {"reconstruction_weight": 0.0, "learning_rate": 0.03, "update_interval": 3, "max_iterations": 24}
    assert go(start, samples, settings, tmp_path, keep="last", **wild).best_iteration == 24


def test_steps_see_changed_samples_and_the_targets_of_clean_ones(samples, settings, start, tmp_path, monkeypatch):
    steps, seen = [], []

    class Spy(StepRunner):
        def run(self, drawn, targets=None):
            steps.append((drawn.table[drawn.places[0]], targets[drawn.indices[0]]))
            return super().run(drawn, targets)

    class Seeing(Augmenter):
        def call(self, images, training=None):
            seen.append(training)
            return super().call(images, training=training)

    expected = renew_targets(assigner_of(start), samples).targets
    monkeypatch.setattr(joint, "StepRunner", Spy)
    monkeypatch.setattr(joint, "Augmenter", Seeing)
    go(start, samples, settings, tmp_path, augment=AugmentConfig(gain=0.2), max_iterations=6, update_interval=6)
    assert True in seen
    for images, targets in steps:
        for image, target in zip(images, targets, strict=True):
            (index,) = np.flatnonzero((samples == image).all(axis=(1, 2, 3)))
            np.testing.assert_allclose(target, expected[index], rtol=1e-6)


@pytest.mark.parametrize("last", [3, 11])
def test_a_changed_and_encoder_only_training_that_was_cut_off_ends_as_if_it_had_not(
    samples, settings, last, tmp_path
):
    few = samples[:33]
    own = {"batch": 20, "epochs": 2, "update_interval": 3, "max_iterations": 8, "filters": (2,), "latent": 2}
    own |= {
        "reconstruction_weight": 0.0,
        "augment": CHANGES,
        "clustering_optimizer": "sgd",
        "noise": 0.0,
        "keep": "last",
    }
    tiny = settings.model_copy(update=own)
    whole = result_of(train(few, tiny, folder=tmp_path), tmp_path)
    calls = iter(range(10_000))

    def check_stop():
        if next(calls) == last:
            raise Stopped

    place = Memory()
    with pytest.raises(Stopped):
        train(few, tiny, folder=tmp_path, keeper=Keeper([place], every_s=0, check_stop=check_stop))
    assert unpack(place.read_bytes())
    assert result_of(train(few, tiny, folder=tmp_path, keeper=Keeper([place])), tmp_path) == whole
