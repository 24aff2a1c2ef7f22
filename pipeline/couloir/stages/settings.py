"""Turn the run file's seconds and hertz into what the kernels take, and hash what decides each stage."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from couloir.config import DetectConfig, RunConfig, SpectrogramConfig, content_hash
from couloir.kernels.bandpass import design_bandpass
from couloir.kernels.detection import DetectionRule
from couloir.kernels.gaps import fill_gaps
from couloir.kernels.spectrogram import SpectrogramShape, magnitudes, normalise
from couloir.kernels.trigger import TriggerRule
from couloir.storage import Patience
from couloir.store.blocks import Axes
from couloir.store.location import Location

DETECTION_VERSION = 3
"""Raised whenever detection or spectrograms of the same settings come out otherwise than before."""
TRAINING_VERSION = 3
"""Raised whenever training with the same settings comes out otherwise than before."""
_VERTICAL = 2
_TOGETHER = 8
"""Events whose spectrograms are computed at once."""
_LARGEST = float(np.finfo(np.float16).max)


def output_of(config: RunConfig) -> Location:
    """Give the run's output place."""
    return Location(config.output.url, config.output.storage_options, Patience.of(config.output.patience_s))


def detection_hash(config: RunConfig) -> str:
    """Hash what decides the content of the spectrogram archive."""
    return content_hash(DETECTION_VERSION, config.detect, config.spectrogram)


def training_hash(config: RunConfig) -> str:
    """Hash what decides the model, beside the archive it is trained on."""
    return content_hash(TRAINING_VERSION, config.train)


def model_id_of(config: RunConfig, digest: str) -> str:
    """Name a model by its settings and by the digest of the archive it is trained on."""
    return content_hash(detection_hash(config), training_hash(config), digest)


def detection_rule(detect: DetectConfig) -> DetectionRule:
    """Design the filter and count the samples."""
    rate = detect.sampling_rate
    return DetectionRule(
        bandpasses=tuple(design_bandpass(band, rate, order=detect.filter_order) for band in detect.bands),
        envelope=detect.envelope,
        on_factor=detect.on_factor,
        off_factor=detect.off_factor,
        edge=round(detect.edge_s * rate),
        trigger=TriggerRule(
            quiet=round(detect.quiet_s * rate),
            merge=round(detect.merge_s * rate),
            least=round(detect.least_duration_s * rate),
        ),
        noise_window=None if detect.noise_window_s is None else round(detect.noise_window_s * rate),
    )


@dataclass(frozen=True)
class Picturing:
    """Turn windows into the network's input, as the run file says."""

    detect: DetectConfig
    spectrogram: SpectrogramConfig

    @property
    def shape(self) -> SpectrogramShape:
        """The spectrogram's shape in samples."""
        segment = round(self.spectrogram.segment_s * self.detect.sampling_rate)
        return SpectrogramShape(self.spectrogram.frequencies, self.spectrogram.times, segment)

    @property
    def axes(self) -> Axes:
        """Frequency and time of a spectrogram's pixels."""
        rate, shape = self.detect.sampling_rate, self.shape
        frequency = np.linspace(0.0, rate / 2, shape.frequencies)
        starts = shape.frame_starts(self.detect.window_samples).astype(np.float64)
        time = (starts + shape.segment / 2) / rate
        return Axes(np.asarray(frequency, np.float64), time, self.detect.window_samples, rate)

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float16]:
        """Compute the spectrograms of windows that may have gaps and lack components.

        Parameters
        ----------
        windows : ndarray of float32, shape (events, 3, samples)
            Counts; NaN in gaps, a component not recorded is all NaN.

        Returns
        -------
        ndarray of float16, shape (events, frequencies, times, 3)
        """
        present = np.asarray(~np.isnan(windows).all(axis=-1))
        out = np.zeros((len(windows), self.shape.frequencies, self.shape.times, 3), np.float16)
        for pattern, mine in self._batches(present):
            pictures = normalise(
                magnitudes(fill_gaps(windows[mine]), self.shape), pattern, self.spectrogram.transform
            )
            if self.spectrogram.missing_component == "repeat" and pattern.any():
                source = _VERTICAL if pattern[_VERTICAL] else int(np.flatnonzero(pattern)[0])
                pictures[..., ~pattern] = pictures[..., source : source + 1]
            out[mine] = np.clip(pictures, -_LARGEST, _LARGEST, out=pictures)
        return out

    @staticmethod
    def _batches(present: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
        """Give the events of the same components, a few at a time: what is made of them stays in the cache."""
        for pattern in np.unique(present, axis=0):
            mine = np.flatnonzero((present == pattern).all(axis=1))
            for first in range(0, len(mine), _TOGETHER):
                yield pattern, mine[first : first + _TOGETHER]
