"""Say where an archive keeps its days: path templates, read and written."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from couloir.archive.template import CODES, FIELDS, VERSION, Level
from couloir.errors import ConfigError
from couloir.identifiers import ChannelId

PRESETS = {
    "sds": "{year}/{net}/{sta}/{cha}.D/{net}.{sta}.{loc}.{cha}.D.{year}.{doy}",
    "scedc": "continuous_waveforms/{year}/{year}_{doy}/{net}{sta:_<5}{cha}{loc:_<3}{year}{doy}.ms",
    "ncedc": "continuous_waveforms/{net}/{year}/{year}.{doy}/{sta}.{net}.{cha}.{loc}.D.{year}.{doy}",
    "earthscope": "miniseed/{net}/{year}/{doy}/{sta}.{net}.{year}.{doy}[#{version}]",
}
"""SeisComP's structure, and those of the buckets scedc-pds, ncedc-pds and earthscope-geophysical-data."""


@dataclass(frozen=True)
class Layout:
    """Hold a path template below the archive's root, one part a folder level.

    Parameters
    ----------
    template : str
        Fields ``{net} {sta} {loc} {cha}`` and ``{year}`` with ``{doy}`` or with ``{month}`` and ``{day}``;
        ``{sta:_<5}`` is padded with ``_`` to 5 letters, and ``[#{version}]`` may be missing. Without ``{cha}``
        an object holds all channels of a station.
    """

    template: str

    @classmethod
    def named(cls, layout: str) -> "Layout":
        """Take a preset's name or a template.

        Raises
        ------
        ConfigError
            When it is neither, or when the template lacks a field that tells recordings apart.
        """
        template = PRESETS.get(layout.lower(), layout).strip("/")
        if "{" not in template:
            raise ConfigError(
                f"archive.layout: {layout!r} is no layout. Use one of {', '.join(PRESETS)}, "
                "or a template like {year}/{net}.{sta}.{loc}.{cha}.{year}.{doy}.mseed"
            )
        made = cls(template)
        fields = made.fields
        if unknown := sorted(fields - FIELDS.keys()):
            raise ConfigError(
                f"archive.layout: unknown field {{{unknown[0]}}} in {template!r}; "
                f"fields are {' '.join(f'{{{name}}}' for name in FIELDS)}"
            )
        dated = {"year", "doy"} <= fields or {"year", "month", "day"} <= fields
        if "sta" not in fields or not dated:
            raise ConfigError(
                f"archive.layout: {template!r} must hold {{sta}} and a date "
                "({year} with {doy}, or {year}, {month} and {day})"
            )
        if any(VERSION in level.fields for level in made.levels[:-1]):
            raise ConfigError(f"archive.layout: {{version}} in {template!r} belongs after the last /")
        return made

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The template's parts, one a folder level."""
        return tuple(map(Level, self.template.split("/")))

    @cached_property
    def fields(self) -> set[str]:
        """All fields of the template."""
        return set().union(*(level.fields for level in self.levels))

    @property
    def names_channels(self) -> bool:
        """Whether an object's path says its channel; if not, an object holds all channels of a station."""
        return "cha" in self.fields

    def path(self, channel: ChannelId, day: dt.date, *, version: int | None = None) -> str:
        """Write the path of a channel's day, below the archive's root."""
        known = codes_of(channel) | dates_of(day)
        if version is not None:
            known[VERSION] = str(version)
        return "/".join(level.write(known) for level in self.levels)


def codes_of(channel: ChannelId) -> dict[str, str]:
    """Name a channel's codes as templates do."""
    return dict(zip(CODES, (channel.network, channel.station, channel.location, channel.channel), strict=True))


def dates_of(day: dt.date) -> dict[str, str]:
    """Name a day's parts as templates do."""
    return {"year": f"{day:%Y}", "month": f"{day:%m}", "day": f"{day:%d}", "doy": f"{day:%j}"}


def day_of(known: Mapping[str, str]) -> dt.date | None:
    """Give the day that fields name; None where no calendar has it."""
    try:
        if "doy" in known:
            day = dt.date(int(known["year"]), 1, 1) + dt.timedelta(days=int(known["doy"]) - 1)
            return day if day.year == int(known["year"]) else None
        return dt.date(int(known["year"]), int(known["month"]), int(known["day"]))
    except (ValueError, OverflowError):
        return None
