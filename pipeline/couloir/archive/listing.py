"""List which channel-days an archive holds, by the narrowest folders, each once."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import fsspec

from couloir.archive.layout import CODES, DATES, Layout, dates_of, fields_of, level_regex
from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import ChannelId, Pattern

_LISTERS = 16


@dataclass(frozen=True)
class ArchiveObject:
    """Hold one object of the archive: one channel's day.

    Attributes
    ----------
    path : str
        As the file system knows it, with the archive's root.
    size : int
        Bytes.
    version : str
        Changes when the object's content does: its ETag, or else its time of change.
    """

    path: str
    size: int
    version: str
    channel: ChannelId
    day: dt.date


@dataclass
class Sighting:
    """Keep what a listing met and did not select, to help a user whose pattern selects nothing."""

    folders: int = 0
    names: set[str] = field(default_factory=set)
    codes: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in CODES})


@dataclass(frozen=True)
class _Branch:
    path: str
    known: Mapping[str, str]


def list_objects(
    url: str,
    layout: Layout,
    *,
    patterns: Sequence[Pattern],
    days: Sequence[dt.date],
    storage_options: Mapping[str, Any] | None = None,
) -> list[ArchiveObject]:
    """List the channel-days that an archive holds and the selection wants.

    Parameters
    ----------
    url : str
        Root of the archive: any URL that fsspec knows.
    layout : Layout
    patterns : sequence of Pattern
        A channel that any of them matches is wanted.
    days : sequence of date
        UTC days wanted.
    storage_options : mapping, optional
        For the file system.

    Returns
    -------
    list of ArchiveObject
        Sorted by channel and day.

    Raises
    ------
    ArchiveError
        When the root cannot be listed, or when nothing in it is wanted; the text names what is there.
    """
    file_system, root = fsspec.core.url_to_fs(url, **dict(storage_options or {}))
    constant = _constant_codes(layout, patterns)
    sighting = Sighting()
    branches = [_Branch(root.rstrip("/"), constant)]
    _check_root(file_system, root, url)
    with ThreadPoolExecutor(_LISTERS) as pool:
        for level in layout.levels[:-1]:
            deeper = pool.map(
                lambda b, lvl=level: _descend(file_system, b, lvl, patterns, days, sighting), branches
            )
            branches = [branch for found in deeper for branch in found]
        wanted = set(days)
        last = layout.levels[-1]
        leaves = pool.map(lambda b: _leaves(file_system, b, last, patterns, wanted, sighting), branches)
        objects = [leaf for found in leaves for leaf in found]
    if not objects:
        raise ArchiveError(_nothing_found(url, layout, patterns, days, sighting))
    return sorted(objects, key=lambda o: (o.channel, o.day))


def _constant_codes(layout: Layout, patterns: Sequence[Pattern]) -> dict[str, str]:
    """Take the codes that the template leaves out, or that every pattern spells out, from the patterns."""
    fields = fields_of(layout.template)
    constant: dict[str, str] = {}
    for name, attribute in zip(CODES, ("network", "station", "location", "channel"), strict=True):
        values = {getattr(pattern, attribute) for pattern in patterns}
        literal = len(values) == 1 and not any(sign in next(iter(values)) for sign in "*?")
        if literal:
            constant[name] = values.pop()
        elif name not in fields:
            raise ConfigError(
                f"archive.layout {layout.template!r} does not say the {attribute}: spell it out in archive.select "
                f"(found {', '.join(map(str, patterns))})"
            )
    return constant


def _check_root(file_system: Any, root: str, url: str) -> None:
    try:
        found = file_system.exists(root)
    except Exception as error:  # every file system has errors of its own
        raise ArchiveError(f"archive.url: cannot list {url}: {error}") from error
    if not found:
        raise ArchiveError(f"archive.url: {url} does not exist. Give the folder or bucket prefix above the years.")


def _descend(
    file_system: Any,
    branch: _Branch,
    level: str,
    patterns: Sequence[Pattern],
    days: Sequence[dt.date],
    sighting: Sighting,
) -> list[_Branch]:
    open_fields = fields_of(level) - branch.known.keys()
    if open_fields <= set(DATES):  # known beforehand: nothing to list
        parts = {
            tuple(sorted((name, dates_of(day)[name]) for name in open_fields))
            for day in days
            if all(branch.known.get(name, value) == value for name, value in dates_of(day).items())
        }
        dated = [dict(branch.known) | dict(part) for part in sorted(parts)]
        return [_Branch(f"{branch.path}/{level.format_map(fields)}", fields) for fields in dated]
    regex = level_regex(level, branch.known)
    found = []
    for entry in _entries(file_system, branch.path, sighting):
        name = entry["name"].rstrip("/").rsplit("/", 1)[-1]
        if entry["type"] != "directory" or not (match := regex.fullmatch(name)):
            continue
        known = {**branch.known, **match.groupdict()}
        _note(known, sighting)
        if _may_match(known, patterns):
            found.append(_Branch(f"{branch.path}/{name}", known))
    return found


def _leaves(
    file_system: Any,
    branch: _Branch,
    level: str,
    patterns: Sequence[Pattern],
    days: set[dt.date],
    sighting: Sighting,
) -> list[ArchiveObject]:
    regex = level_regex(level, branch.known)
    found = []
    for entry in _entries(file_system, branch.path, sighting):
        name = entry["name"].rsplit("/", 1)[-1]
        sighting.names.add(name)
        if entry["type"] == "directory" or not (match := regex.fullmatch(name)):
            continue
        known = {**branch.known, **match.groupdict()}
        _note(known, sighting)
        channel = ChannelId(*(known[code] for code in CODES))
        day = _day(known)
        if day in days and any(pattern.matches(channel) for pattern in patterns):
            version = str(entry.get("ETag") or entry.get("mtime") or entry.get("LastModified") or "")
            found.append(ArchiveObject(f"{branch.path}/{name}", int(entry["size"] or 0), version, channel, day))
    return found


def _entries(file_system: Any, path: str, sighting: Sighting) -> list[dict[str, Any]]:
    sighting.folders += 1
    try:
        entries: list[dict[str, Any]] = file_system.ls(path, detail=True)
    except FileNotFoundError:
        return []
    except Exception as error:  # every file system has errors of its own
        raise ArchiveError(f"cannot list {path}: {error}") from error
    return [entry for entry in entries if entry["name"].rstrip("/") != path]


def _day(known: Mapping[str, str]) -> dt.date | None:
    try:
        if "doy" in known:
            day = dt.date(int(known["year"]), 1, 1) + dt.timedelta(days=int(known["doy"]) - 1)
            return day if day.year == int(known["year"]) else None
        return dt.date(int(known["year"]), int(known["month"]), int(known["day"]))
    except (ValueError, OverflowError):
        return None


def _note(known: Mapping[str, str], sighting: Sighting) -> None:
    for name in CODES:
        if name in known:
            sighting.codes[name].add(known[name])


def _may_match(known: Mapping[str, str], patterns: Sequence[Pattern]) -> bool:
    return any(
        all(
            name not in known or fnmatchcase(known[name], code)
            for name, code in zip(CODES, (p.network, p.station, p.location, p.channel), strict=True)
        )
        for p in patterns
    )


def _nothing_found(
    url: str, layout: Layout, patterns: Sequence[Pattern], days: Sequence[dt.date], sighting: Sighting
) -> str:
    wished = ", ".join(map(str, patterns))
    lines = [f"nothing in {url} matches {wished} on {days[0]} to {days[-1]} (layout {layout.template})."]
    for name, attribute in zip(CODES, ("network", "station", "location", "channel"), strict=True):
        wanted = {getattr(pattern, attribute) for pattern in patterns}
        there = sorted(sighting.codes[name])
        if there and not any(fnmatchcase(code, want) for code in there for want in wanted):
            lines.append(
                f"  {attribute} {', '.join(sorted(wanted))} is not there; there are: {_some(there, wanted)}"
            )
    if not any(sighting.codes.values()) and sighting.names:
        lines.append(f"  names found there: {_some(sorted(sighting.names), {layout.levels[-1]})}")
    if len(lines) == 1:
        lines.append("  Check archive.start, archive.end and archive.layout against the folders there.")
    return "\n".join(lines)


def _some(names: Iterable[str], wanted: Iterable[str]) -> str:
    names = list(names)
    near = [name for want in wanted for name in get_close_matches(want, names, n=3, cutoff=0.4)]
    shown = list(dict.fromkeys(near + names))[:8]
    return ", ".join(repr(name) for name in shown) + (", ..." if len(names) > len(shown) else "")
