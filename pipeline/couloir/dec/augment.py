"""Change samples at random while training: what a class looks like, moved, scaled, masked.

Source: Guo, Zhu, Liu and Yin (2018), Deep embedded clustering with data augmentation, ACML: gradients come
from changed samples, targets from clean ones. Masks: Park et al. (2019), SpecAugment, Interspeech.

There are two kinds of change. Moving (rotation, shift, zoom, gain) gives another sample of the same class,
which the autoencoder is to restore as it is. Spoiling (noise, missing components, masks) takes something
away: the autoencoder is to restore what was there before, as a denoising one does.
"""

import math

from couloir.config import AugmentConfig
from couloir.dec.backend import Tensor, keras
from couloir.dec.seeds import derive_seed

ops = keras.ops


class Augmenter(keras.layers.Layer):  # type: ignore[misc]
    """Change batches where they are computed on, each otherwise: the state of the draws is a weight.

    A training that goes on from a checkpoint draws what it would have drawn.

    Parameters
    ----------
    settings
        How much of each change.
    seed
        The run's seed.
    purpose
        The phase of training: each has its own stream.
    """

    def __init__(self, settings: AugmentConfig, *, seed: int, purpose: str) -> None:
        super().__init__(name="augment", trainable=False)
        self._settings = settings
        self._draws = keras.random.SeedGenerator(derive_seed(seed, f"augment {purpose}"))

    @property
    def idle(self) -> bool:
        """Whether the settings ask for no change at all."""
        return not any(self._settings.model_dump().values())

    def call(self, images: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:  # noqa: FBT001 (Keras)
        """Change a batch when training.

        Parameters
        ----------
        images
            Clean samples (n, F, T, C).
        training
            Whether to change anything.

        Returns
        -------
        spoilt, moved
            (n, F, T, C) each: what goes into the network, and what it is to restore.
        """
        if self.idle or not training:
            return images, images
        moved = move(images, self._settings, self._draws)
        return spoil(moved, self._settings, self._draws), moved


def move(images: Tensor, settings: AugmentConfig, draws: keras.random.SeedGenerator) -> Tensor:
    """Rotate, shift and zoom samples (n, F, T, C) about their centres, and scale their components.

    Pixels are interpolated bilinearly; beyond the edge its last pixel goes on. Shifts are uniform in
    pixels, rotations uniform in degrees, zooms and gains uniform about 1.
    """
    count, height, width, components = ops.shape(images)

    def uniform(most: float, *shape: int) -> Tensor:
        size = (count, *shape)
        return keras.random.uniform(size, -most, most, seed=draws) if most else ops.zeros(size)

    if settings.rotation or settings.zoom or settings.shift or settings.time_shift:
        images = transform(
            images,
            angle=uniform(math.radians(settings.rotation)),
            scale=1 + uniform(settings.zoom),
            rows=uniform(settings.shift) * height,
            columns=(uniform(settings.shift) + uniform(settings.time_shift)) * width,
        )
    return images * (1 + uniform(settings.gain, 1, 1, components)) if settings.gain else images


def transform(images: Tensor, *, angle: Tensor, scale: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Rotate, enlarge, then shift each sample (n, F, T, C), bilinearly, repeating the edge.

    It gathers pixels, which every backend and compiler can: Keras' ``affine_transform`` is an operation that XLA
    does not have on TensorFlow.

    Parameters
    ----------
    images
        (n, F, T, C).
    angle
        (n,), from the first axis towards the second, radian.
    scale
        (n,); more than 1 enlarges.
    rows, columns
        (n,), shifts along the first and second axis, pixels.
    """
    count, height, width, components = ops.shape(images)
    angle, scale, rows, columns = (ops.reshape(value, (-1, 1, 1)) for value in (angle, scale, rows, columns))
    centre = (height - 1) / 2, (width - 1) / 2
    y = ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1)) - centre[0] - rows
    x = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1)) - centre[1] - columns
    cosine, sine = ops.cos(angle) / scale, ops.sin(angle) / scale
    y, x = cosine * y + sine * x + centre[0], cosine * x - sine * y + centre[1]
    y, x = ops.clip(y, 0, height - 1), ops.clip(x, 0, width - 1)
    top, left = ops.floor(y), ops.floor(x)
    bottom, right = ops.minimum(top + 1, height - 1), ops.minimum(left + 1, width - 1)
    pixels = ops.reshape(images, (count, height * width, components))

    def at(row: Tensor, column: Tensor) -> Tensor:
        place = ops.reshape(ops.cast(row * width + column, "int32"), (count, height * width, 1))
        return ops.reshape(ops.take_along_axis(pixels, place, axis=1), (count, height, width, components))

    down, across = ops.expand_dims(y - top, -1), ops.expand_dims(x - left, -1)
    above = at(top, left) * (1 - across) + at(top, right) * across
    below = at(bottom, left) * (1 - across) + at(bottom, right) * across
    return above * (1 - down) + below * down


def spoil(images: Tensor, settings: AugmentConfig, draws: keras.random.SeedGenerator) -> Tensor:
    """Add noise to samples (n, F, T, C), and put zeros in components, stretches of time and bands.

    Zero is the mean of a standardised spectrogram. Of each sample one component at least is left.
    """
    count, height, width, components = ops.shape(images)
    if settings.noise:
        images = images + keras.random.normal((count, height, width, components), 0, settings.noise, seed=draws)
    if settings.drop_component:
        chance = keras.random.uniform((count, components), seed=draws)
        spared = ops.one_hot(ops.argmax(keras.random.uniform((count, components), seed=draws), axis=1), components)
        kept = ops.logical_or(chance >= settings.drop_component, spared > 0)
        images = ops.where(ops.reshape(kept, (count, 1, 1, components)), images, 0.0)
    if settings.time_mask:
        stripe = ops.reshape(_stripes(count, width, settings.time_mask, draws), (count, 1, width, 1))
        images = ops.where(stripe, 0.0, images)
    if settings.frequency_mask:
        stripe = ops.reshape(_stripes(count, height, settings.frequency_mask, draws), (count, height, 1, 1))
        images = ops.where(stripe, 0.0, images)
    return images


def _stripes(count: int, length: int, longest: float, draws: keras.random.SeedGenerator) -> Tensor:
    """Draw a stripe in each row (count, length), of 0 to ``longest`` x length places."""
    size = ops.floor(keras.random.uniform((count, 1), seed=draws) * (round(longest * length) + 1))
    start = ops.floor(keras.random.uniform((count, 1), seed=draws) * (length - size + 1))
    place = ops.reshape(ops.arange(length, dtype="float32"), (1, -1))
    return ops.logical_and(place >= start, place < start + size)
