"""Settings of archive and output: where waveforms are read, and where all that is made is written."""

import datetime as dt
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from couloir.config.section import Positive, Section
from couloir.config.urls import StorageOptions, Url
from couloir.identifiers import Pattern

BAND_PRIORITY = ("HH", "EH", "CH", "BH", "DH", "SH", "GH", "FH", "HN", "EN", "BN", "DP", "GP")


class ArchiveConfig(Section):
    """Where the waveforms are and which of them to use."""

    url: Url
    """Folder or bucket prefix: a path, s3://bucket/prefix, or any URL that fsspec knows."""
    layout: str = "sds"
    """`sds`, `scedc`, `ncedc`, `earthscope`, or a path template such as `{year}/{net}.{sta}.{cha}.{doy}.sac`."""
    select: tuple[str, ...] = ("*.*.*.*",)
    """Channels as NET.STA.LOC.CHA with * and ?; an empty location is --. A list, or one pattern."""
    start: dt.date
    """First UTC day."""
    end: dt.date
    """The day after the last UTC day (exclusive)."""
    band_priority: tuple[str, ...] = BAND_PRIORITY
    """Where a station has several bands on one day, the first of these is used."""
    stationxml: Url | None = None
    """StationXML, a path or URL, * for several files: amplitudes are then ground motion (m/s), not counts."""
    storage_options: StorageOptions = Field(default_factory=dict)
    """Passed to the file system (endpoint_url, anon, profile). Keep credentials in the environment."""
    patience_s: Positive = 120.0
    """A request that is not answered, or answered "busy", is made again for this long, s."""

    @field_validator("select", "band_priority", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("select")
    @classmethod
    def _check_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Pattern.parse(text)
        return value

    @model_validator(mode="after")
    def _check_period(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"end ({self.end}) is exclusive and must be after start ({self.start})")
        return self

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The selection as patterns."""
        return tuple(Pattern.parse(text) for text in self.select)

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every UTC day from start up to, not including, end."""
        return tuple(self.start + dt.timedelta(days=i) for i in range((self.end - self.start).days))


class OutputConfig(Section):
    """Where everything that the run makes is written."""

    url: Url
    """Folder or bucket prefix. One run has one output."""
    storage_options: StorageOptions = Field(default_factory=dict)
    """Passed to the file system, as for the archive."""
    patience_s: Positive = 120.0
    """As for the archive, s."""
