"""Say where an archive keeps a channel's day: path templates, read and written."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from couloir.errors import ConfigError
from couloir.identifiers import ChannelId

PRESETS = {"sds": "{year}/{net}/{sta}/{cha}.D/{net}.{sta}.{loc}.{cha}.D.{year}.{doy}"}

CODES = ("net", "sta", "loc", "cha")
ATTRIBUTES = ("network", "station", "location", "channel")
"""What `ChannelId` and `Pattern` call the codes."""
DATES = ("year", "month", "day", "doy")
_FIELDS = {
    "net": r"[A-Za-z0-9]{1,8}",
    "sta": r"[A-Za-z0-9]{1,8}",
    "loc": r"[A-Za-z0-9]{0,8}",
    "cha": r"[A-Za-z0-9]{3}",
    "year": r"\d{4}",
    "month": r"\d{2}",
    "day": r"\d{2}",
    "doy": r"\d{3}",
}


@dataclass(frozen=True)
class Layout:
    """Hold a path template below the archive's root, one part a folder level.

    Parameters
    ----------
    template : str
        Fields ``{net} {sta} {loc} {cha}`` and ``{year}`` with ``{doy}`` or with ``{month}`` and ``{day}``.
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
        template = PRESETS.get(layout.lower(), layout)
        if "{" not in template:
            raise ConfigError(
                f"archive.layout: {layout!r} is no layout. Use one of {', '.join(PRESETS)}, "
                "or a template like {year}/{net}.{sta}.{loc}.{cha}.{year}.{doy}.mseed"
            )
        fields = fields_of(template)
        if unknown := sorted(fields - _FIELDS.keys()):
            raise ConfigError(
                f"archive.layout: unknown field {{{unknown[0]}}} in {template!r}; "
                f"fields are {' '.join(f'{{{name}}}' for name in _FIELDS)}"
            )
        dated = {"year", "doy"} <= fields or {"year", "month", "day"} <= fields
        if not {"sta", "cha"} <= fields or not dated:
            raise ConfigError(
                f"archive.layout: {template!r} must hold {{sta}}, {{cha}} and a date "
                "({year} with {doy}, or {year}, {month} and {day})"
            )
        return cls(template.strip("/"))

    @property
    def levels(self) -> tuple[str, ...]:
        """The template's parts, one a folder level."""
        return tuple(self.template.split("/"))

    def path(self, channel: ChannelId, day: dt.date) -> str:
        """Write the path of a channel's day, below the archive's root."""
        return self.template.format_map(codes_of(channel) | dates_of(day))


def fields_of(template: str) -> set[str]:
    """List the fields of a template.

    Raises
    ------
    ConfigError
        When its braces do not match, or a field has a format.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"archive.layout: {template!r} is no template: {error}") from error
    for _, name, spec, conversion in parts:
        if spec or conversion:
            raise ConfigError(f"archive.layout: {{{name}}} in {template!r} must stand without a format")
    return {name for _, name, _, _ in parts if name is not None}


def codes_of(channel: ChannelId) -> dict[str, str]:
    """Name a channel's codes as templates do."""
    return dict(zip(CODES, (channel.network, channel.station, channel.location, channel.channel), strict=True))


def dates_of(day: dt.date) -> dict[str, str]:
    """Name a day's parts as templates do."""
    return {"year": f"{day:%Y}", "month": f"{day:%m}", "day": f"{day:%d}", "doy": f"{day:%j}"}


def level_regex(level: str, known: Mapping[str, str]) -> re.Pattern[str]:
    """Compile one level of a template, with the fields already known put in.

    Parameters
    ----------
    level : str
        One part of the template.
    known : mapping
        Fields that the levels above, or the selection, have decided.

    Returns
    -------
    re.Pattern
        With one named group for each field still open.
    """
    pieces, seen = [], set()
    for literal, name, _, _ in Formatter().parse(level):
        pieces.append(re.escape(literal))
        if name is None:
            continue
        if name in known:
            pieces.append(re.escape(known[name]))
        elif name in seen:
            pieces.append(f"(?P={name})")
        else:
            seen.add(name)
            pieces.append(f"(?P<{name}>{_FIELDS[name]})")
    return re.compile("".join(pieces))
