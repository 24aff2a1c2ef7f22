"""Change samples at random while training: what a class looks like, moved, scaled, masked.

Source: Guo, Zhu, Liu and Yin (2018), Deep embedded clustering with data augmentation, ACML: gradients come
from changed samples, targets from clean ones. Masks: Park et al. (2019), SpecAugment, Interspeech.

There are two kinds of change. Moving (rotation, shift, zoom, gain) gives another sample of the same class,
which the autoencoder is to restore as it is. Spoiling (noise, missing components, masks) takes something
away: the autoencoder is to restore what was there before, as a denoising one does.
"""

import numpy as np
from numpy.typing import NDArray

from couloir.config import AugmentConfig
from couloir.dec.seeds import derive_seed

Images = NDArray[np.float32]


class Augmenter:
    """Change batches, each by its own seed, so that a training that goes on draws what it would have drawn.

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
        self._settings = settings
        self._seed = derive_seed(seed, f"augment {purpose}")

    @property
    def idle(self) -> bool:
        """Whether the settings ask for no change at all."""
        return not any(self._settings.model_dump().values())

    def __call__(self, images: Images, step: int) -> tuple[Images, Images]:
        """Change a batch.

        Parameters
        ----------
        images
            Clean samples (n, F, T, C).
        step
            Steps done before this one.

        Returns
        -------
        spoilt, moved
            (n, F, T, C) each: what goes into the network, and what it is to restore.
        """
        rng = np.random.default_rng((self._seed, step))
        moved = move(images, self._settings, rng)
        return spoil(moved, self._settings, rng), moved


def move(images: Images, settings: AugmentConfig, rng: np.random.Generator) -> Images:
    """Rotate, shift and zoom samples (n, F, T, C) about their centres, and scale their components.

    Pixels are interpolated bilinearly; beyond the edge its last pixel goes on. Shifts are uniform in
    pixels, rotations uniform in degrees, zooms and gains uniform about 1.
    """
    count, height, width, components = images.shape
    angle = np.deg2rad(_uniform(rng, settings.rotation, count))
    scale = 1 + _uniform(rng, settings.zoom, count)
    rows = _uniform(rng, settings.shift, count) * height
    columns = (_uniform(rng, settings.shift, count) + _uniform(rng, settings.time_shift, count)) * width
    gain = 1 + _uniform(rng, settings.gain, (count, 1, 1, components))
    if settings.rotation or settings.zoom or settings.shift or settings.time_shift:
        images = transform(images, angle=angle, scale=scale, rows=rows, columns=columns)
    return (images * gain).astype(np.float32) if settings.gain else images


def transform(
    images: Images,
    *,
    angle: NDArray[np.float64],
    scale: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> Images:
    """Rotate, enlarge, then shift each sample (n, F, T, C), bilinearly, repeating the edge.

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
    count, height, width, _ = images.shape
    centre = (height - 1) / 2, (width - 1) / 2
    y = np.arange(height)[None, :, None] - centre[0] - rows[:, None, None]
    x = np.arange(width)[None, None, :] - centre[1] - columns[:, None, None]
    cosine, sine = (part[:, None, None] / scale[:, None, None] for part in (np.cos(angle), np.sin(angle)))
    y, x = cosine * y + sine * x + centre[0], cosine * x - sine * y + centre[1]
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = ((part)[..., None].astype(np.float32) for part in (y - top, x - left))
    sample = np.arange(count)[:, None, None]
    above = images[sample, top, left] * (1 - across) + images[sample, top, right] * across
    below = images[sample, bottom, left] * (1 - across) + images[sample, bottom, right] * across
    return np.asarray(above * (1 - down) + below * down, np.float32)


def spoil(images: Images, settings: AugmentConfig, rng: np.random.Generator) -> Images:
    """Add noise to samples (n, F, T, C), and put zeros in components, stretches of time and bands.

    Zero is the mean of a standardised spectrogram. Of each sample one component at least is left.
    """
    count, height, width, components = images.shape
    if settings.noise:
        images = images + rng.normal(scale=settings.noise, size=images.shape).astype(np.float32)
    keep = np.ones((count, height, width, components), bool)
    if settings.drop_component:
        kept = rng.random((count, components)) >= settings.drop_component
        kept[np.arange(count), rng.integers(components, size=count)] = True
        keep &= kept[:, None, None, :]
    if settings.time_mask:
        keep &= ~_stripes(count, width, settings.time_mask, rng)[:, None, :, None]
    if settings.frequency_mask:
        keep &= ~_stripes(count, height, settings.frequency_mask, rng)[:, :, None, None]
    return np.where(keep, images, np.float32(0))


def _stripes(count: int, length: int, longest: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw a stripe in each row (count, length), of 0 to ``longest`` x length places."""
    size = rng.integers(round(longest * length) + 1, size=count)
    start = rng.integers(length - size + 1)
    place = np.arange(length)
    return (place >= start[:, None]) & (place < (start + size)[:, None])


def _uniform(rng: np.random.Generator, most: float, size: int | tuple[int, ...]) -> NDArray[np.float64]:
    return rng.uniform(-most, most, size)
