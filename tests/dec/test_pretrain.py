import keras
import numpy as np
import pytest
from batches import drawn

from couloir.config import AugmentConfig
from couloir.dec.augment import Augmenter
from couloir.dec.log import TrainingLog
from couloir.dec.networks import build_autoencoder
from couloir.dec.optimizers import Descent
from couloir.dec.pretrain import Denoiser, pretrain
from couloir.dec.steps import StepRunner

SIGMA = 0.6


@pytest.fixture
def identity():
    """An autoencoder that gives back what it is given, noise and all."""
    image = keras.Input((32, 16, 3))
    kernel = keras.initializers.Constant(np.eye(3, dtype=np.float32)[None, None])
    return keras.Model(image, keras.layers.Conv2D(3, 1, kernel_initializer=kernel)(image))


def denoiser_of(model, seed=1):
    plain = Augmenter(AugmentConfig(), seed=seed, purpose="pretrain")
    return Denoiser(model, plain, noise=SIGMA, seed=seed)


def restored(denoiser, images, *, training=True):
    return keras.ops.convert_to_numpy(denoiser(images, training=training)["reconstruction"])


def test_noise_is_fresh_at_each_step_and_of_the_standard_deviation_asked_for(identity, samples):
    denoiser = denoiser_of(identity)
    images = samples[:64].astype(np.float32)
    one, two = (restored(denoiser, images) - images for _ in range(2))
    assert one.std() == pytest.approx(SIGMA, rel=0.02)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.02


def test_noise_is_fresh_at_each_compiled_training_step_and_the_target_is_clean(identity, samples):
    # The identity restores the noisy picture: against the clean one the error is the noise's variance.
    runner = StepRunner(denoiser_of(identity), descent=Descent("adam", 1e-12), phase="a test")
    losses = [runner.run(drawn(samples[:64])) for _ in range(3)]
    assert losses == pytest.approx([SIGMA**2] * 3, rel=0.03)
    assert len(set(losses)) == 3


def test_there_is_no_noise_without_training(identity, samples):
    images = samples[:4].astype(np.float32)
    np.testing.assert_allclose(restored(denoiser_of(identity), images, training=False), images, atol=1e-6)


def test_same_seed_gives_the_same_noise_and_another_seed_other_noise(identity, samples):
    images = samples[:4].astype(np.float32)
    first, again, other = (restored(denoiser_of(identity, seed), images) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_sample_is_seen_once_an_epoch(recorder, settings, tmp_path):
    settings = settings.model_copy(update={"epochs": 2})
    with TrainingLog(tmp_path / "log.csv") as log:
        pretrain(build_autoencoder(recorder.shape[1:], settings), recorder, settings=settings, log=log)
    assert len(recorder.asked) >= 2
    for epoch in recorder.asked:  # read at once, and ahead
        assert sorted(epoch) == list(range(len(recorder)))


def test_pretraining_learns_to_restore_clean_pictures(samples, settings, tmp_path):
    model = build_autoencoder(samples.shape[1:], settings)
    clean = samples.astype(np.float32)
    before = np.mean((model.predict_on_batch(clean) - clean) ** 2)
    with TrainingLog(tmp_path / "log.csv") as log:
        pretrain(model, samples, settings=settings, log=log)
    after = np.mean((model.predict_on_batch(clean) - clean) ** 2)
    assert after < 0.75 * before
    assert float((tmp_path / "log.csv").read_text().splitlines()[-1].split(",")[2]) < before
