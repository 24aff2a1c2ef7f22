"""A whole run file: its sections, and what must hold between them."""

from typing import Self

from pydantic import Field, model_validator

from couloir.config.archive import ArchiveConfig, OutputConfig
from couloir.config.catalog import CatalogConfig
from couloir.config.compute import ComputeConfig
from couloir.config.detection import DetectConfig, SpectrogramConfig
from couloir.config.section import Section
from couloir.config.training import TrainConfig

_SHORTEST_SEGMENT = 8
"""Samples of the shortest segment of a spectrogram that has a shape."""


class RunConfig(Section):
    """A whole run file."""

    archive: ArchiveConfig
    output: OutputConfig
    preset: str = "luhu"
    detect: DetectConfig = Field(default_factory=DetectConfig)
    spectrogram: SpectrogramConfig = Field(default_factory=SpectrogramConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    catalog: CatalogConfig = Field(default_factory=CatalogConfig)
    compute: ComputeConfig = Field(default_factory=ComputeConfig)

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        halvings = 1 if self.train.network == "dense" else 2 ** len(self.train.filters)
        for name in ("frequencies", "times"):
            size = getattr(self.spectrogram, name)
            if size % halvings:
                raise ValueError(
                    f"spectrogram.{name} ({size}) must be a multiple of {halvings}: "
                    f"the encoder of train.filters halves it {len(self.train.filters)} times"
                )
        left = self.spectrogram.frequencies * self.spectrogram.times * self.train.filters[-1] // halvings**2
        if self.train.network == "pooled" and self.train.latent != left:
            raise ValueError(
                f"train.latent ({self.train.latent}) must be {left}: that many values are left when the network "
                f"has pooled {self.spectrogram.frequencies} x {self.spectrogram.times} pixels "
                f"{len(self.train.filters)} times"
            )
        return self

    @model_validator(mode="after")
    def _check_segment(self) -> Self:
        rate, bins = self.detect.sampling_rate, self.spectrogram.frequencies
        segment = round(self.spectrogram.segment_s * rate)
        longest = min(2 * (bins - 1), self.detect.window_samples)
        if not _SHORTEST_SEGMENT <= segment <= longest:
            raise ValueError(
                f"spectrogram.segment_s ({self.spectrogram.segment_s:g}) must lie between "
                f"{_SHORTEST_SEGMENT / rate:g} and {longest / rate:g}: at {rate:g} Hz that is what {bins} "
                f"frequencies and a window of {self.detect.window_s:g} s can hold"
            )
        return self
