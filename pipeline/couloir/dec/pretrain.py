"""Pre-train the autoencoder to remove noise from spectrograms.

Source: Vincent et al. (2010), Stacked denoising autoencoders, JMLR 11, section 3; the noise is drawn
afresh at every step, and what is to be restored is the clean spectrogram.
"""

from couloir.config import TrainConfig
from couloir.dec.augment import Augmenter
from couloir.dec.backend import Tensor, keras
from couloir.dec.checkpoint import State
from couloir.dec.keeper import Keeper
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.optimizers import pretraining_descent
from couloir.dec.samples import Samples, count_batches, read_batch, shuffled_batches
from couloir.dec.seeds import derive_seed, make_generator
from couloir.dec.steps import StepRunner

ops = keras.ops


class Denoiser(keras.Model):  # type: ignore[misc]
    """Wrap an autoencoder for training: noise on what goes in, the clean input as the target.

    Parameters
    ----------
    autoencoder
        From (n, F, T, C) to (n, F, T, C).
    noise
        Standard deviation of the Gaussian noise, in the spectrogram's units.
    seed
        Seed of the noise.
    """

    def __init__(self, autoencoder: keras.Model, *, noise: float, seed: int) -> None:
        super().__init__(name="denoiser")
        self.noise = keras.layers.GaussianNoise(noise, seed=derive_seed(seed, "noise"), name="noise")
        self.autoencoder = autoencoder

    def call(self, image: Tensor, training: bool | None = None) -> Tensor:  # noqa: FBT001 (Keras calls it so)
        """Reconstruct spectrograms, made noisy first when training."""
        return self.autoencoder(self.noise(image, training=training))

    def compute_loss(
        self,
        x: Tensor,
        y: Tensor | None,
        y_pred: Tensor,
        *_: object,
        **__: object,
    ) -> Tensor:
        """Give the mean squared error of the reconstruction ``y_pred`` against ``y``, or else the clean ``x``."""
        return ops.mean(ops.square((x if y is None else y) - y_pred))


def pretrain(
    autoencoder: keras.Model,
    samples: Samples,
    *,
    settings: TrainConfig,
    log: TrainingLog,
    progress: Progress = no_progress,
    keeper: Keeper | None = None,
    earlier: State | None = None,
) -> None:
    """Train an autoencoder in place, as a denoising one, on the mean squared error.

    Parameters
    ----------
    autoencoder
        What is trained.
    samples
        Clean spectrograms (N, F, T, C); every one is seen once an epoch, in a new order each epoch.
    settings
        ``noise``, ``augment``, ``optimizer``, ``learning_rate``, ``momentum``, ``batch``, ``epochs`` and
        ``seed`` are used.
    log, progress
        Where each epoch, with its mean loss, measured with the noise on, and each step are told.
    keeper
        Asked between steps whether to keep the state, as ``pretrain``, or to stop.
    earlier
        What it kept, to go on from.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    denoiser = Denoiser(autoencoder, noise=settings.noise, seed=settings.seed)
    runner = StepRunner(denoiser, descent=pretraining_descent(settings), phase="pre-training")
    augment = Augmenter(settings.augment, seed=settings.seed, purpose="pretrain")
    keeper = keeper or Keeper()
    steps = count_batches(len(samples), settings.batch)
    total = settings.epochs * steps
    if earlier:
        runner.resume(earlier)
        epoch = runner.done // steps + 1
        remark = "done before" if runner.done == total else f"going on from epoch {epoch}"
        progress("pretrain", runner.done, total, remark)
    generator = make_generator(settings.seed, "pretrain")
    batches = shuffled_batches(len(samples), settings.batch, generator=generator, skip=runner.done)
    keeper.follow("pretrain", runner.state)
    while runner.done < total:
        epoch = runner.done // steps + 1
        images = read_batch(samples, next(batches))
        loss = runner.step(images) if augment.idle else runner.step(*augment(images, runner.done))
        progress("pretrain", runner.done, total, f"epoch {epoch}/{settings.epochs}, loss {loss:.4f}")
        if runner.done == epoch * steps:
            mean = runner.take_means()["loss"]
            log.add("pretrain", epoch, values={"loss": mean, "reconstruction": mean})
        keeper.pause()
    keeper.save()
