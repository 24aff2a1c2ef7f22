"""Pre-train the autoencoder to remove noise from spectrograms.

Source: Vincent et al. (2010), Stacked denoising autoencoders, JMLR 11, section 3; the noise is drawn
afresh at every step, and what is to be restored is the clean spectrogram.
"""

from collections.abc import Mapping

from couloir.config import TrainConfig
from couloir.dec.augment import Augmenter
from couloir.dec.backend import Tensor, keras
from couloir.dec.checkpoint import State
from couloir.dec.feed import Feed
from couloir.dec.keeper import Keeper
from couloir.dec.learner import Learner, mean_squared_error
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.optimizers import pretraining_descent
from couloir.dec.samples import Samples, count_batches, shuffled_groups
from couloir.dec.seeds import derive_seed, make_generator
from couloir.dec.steps import StepRunner


class Denoiser(Learner):
    """Wrap an autoencoder for training: noise on what goes in, the clean input as the target.

    Parameters
    ----------
    autoencoder
        From (n, F, T, C) to (n, F, T, C).
    augment
        Changes samples before the noise.
    noise
        Standard deviation of the Gaussian noise, in the spectrogram's units.
    seed
        Seed of the noise.
    """

    def __init__(self, autoencoder: keras.Model, augment: Augmenter, *, noise: float, seed: int) -> None:
        super().__init__(name="denoiser")
        self.augment = augment
        self.noise = keras.layers.GaussianNoise(noise, seed=derive_seed(seed, "noise"), name="noise")
        self.autoencoder = autoencoder
        self.built = True

    def call(self, image: Tensor, training: bool | None = None) -> dict[str, Tensor]:  # noqa: FBT001 (Keras calls it so)
        """Reconstruct spectrograms, changed and made noisy first when training; give what they are to be, too."""
        spoilt, image = self.augment(image, training=training)
        reconstruction = self.autoencoder(self.noise(spoilt, training=training))
        return {"image": image, "reconstruction": reconstruction}

    def measure(self, outputs: Mapping[str, Tensor], targets: Tensor | None) -> dict[str, Tensor]:
        """Give the mean squared error of the reconstruction; there are no targets beside the images."""
        del targets
        return {"loss": mean_squared_error(outputs)}


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
        ``noise``, ``augment``, ``optimizer``, ``learning_rate``, ``momentum``, ``batch``, ``shuffle``,
        ``epochs`` and ``seed`` are used.
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
    augment = Augmenter(settings.augment, seed=settings.seed, purpose="pretrain")
    denoiser = Denoiser(autoencoder, augment, noise=settings.noise, seed=settings.seed)
    runner = StepRunner(denoiser, descent=pretraining_descent(settings), phase="pre-training")
    keeper = keeper or Keeper()
    steps = count_batches(len(samples), settings.batch)
    total = settings.epochs * steps
    if earlier:
        runner.resume(earlier)
        epoch = runner.done // steps + 1
        remark = "done before" if runner.done == total else f"going on from epoch {epoch}"
        progress("pretrain", runner.done, total, remark)
    groups = shuffled_groups(
        len(samples),
        settings.batch,
        generator=make_generator(settings.seed, "pretrain"),
        together=settings.shuffle,
        skip=runner.done,
        until=total,
    )
    keeper.follow("pretrain", runner.state)
    with Feed(samples, groups) as feed:
        while runner.done < total:
            epoch = runner.done // steps + 1
            loss = runner.run(feed.draw(epoch * steps - runner.done))
            progress("pretrain", runner.done, total, f"epoch {epoch}/{settings.epochs}, loss {loss:.4f}")
            if runner.done == epoch * steps:
                mean = runner.take_means()["loss"]
                log.add("pretrain", epoch, values={"loss": mean, "reconstruction": mean})
            keeper.pause()
    keeper.save()
