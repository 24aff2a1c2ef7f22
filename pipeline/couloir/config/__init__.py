"""Describe a run: what a run file may hold, its defaults (the published numbers) and its limits."""

from couloir.config.archive import BAND_PRIORITY, ArchiveConfig, OutputConfig
from couloir.config.catalog import CatalogConfig
from couloir.config.compute import ComputeConfig
from couloir.config.detection import Corners, DetectConfig, SpectrogramConfig
from couloir.config.hashing import content_hash
from couloir.config.presets import PRESETS
from couloir.config.run import RunConfig
from couloir.config.training import AugmentConfig, TrainConfig

__all__ = [
    "BAND_PRIORITY",
    "PRESETS",
    "ArchiveConfig",
    "AugmentConfig",
    "CatalogConfig",
    "ComputeConfig",
    "Corners",
    "DetectConfig",
    "OutputConfig",
    "RunConfig",
    "SpectrogramConfig",
    "TrainConfig",
    "content_hash",
]
