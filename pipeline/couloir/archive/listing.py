"""List which channel-days an archive holds, by the narrowest folders, each once."""

import datetime as dt
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import repeat
from typing import Any

import fsspec

from couloir.archive.layout import ATTRIBUTES, CODES, DATES, Layout, dates_of, fields_of, level_regex
from couloir.archive.sighting import Sighting, explain
from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import ChannelId, Pattern

_LISTERS = 16
_LOOK_AT_DAYS = 20


@dataclass(frozen=True, slots=True)
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
    try:
        file_system, root = fsspec.core.url_to_fs(url, **dict(storage_options or {}))
    except (ValueError, ImportError) as error:
        raise ArchiveError(f"archive.url: cannot open {url}: {error}") from error
    _check_root(file_system, root, url)
    walk = _Walk(file_system, layout, patterns, days)
    objects = walk.run(root, _spelled_out(layout, patterns))
    if not objects:
        raise ArchiveError(_explain_nothing(file_system, root, url, walk))
    return sorted(objects, key=lambda o: (o.channel, o.day))


class _Walk:
    """Go down an archive level by level, into the folders that can hold something wanted only."""

    def __init__(
        self, file_system: Any, layout: Layout, patterns: Sequence[Pattern], days: Sequence[dt.date]
    ) -> None:
        self.file_system = file_system
        self.layout = layout
        self.patterns = patterns
        self.days = days
        self.sighting = Sighting()
        self._wanted = set(days)

    def run(self, root: str, known: Mapping[str, str]) -> list[ArchiveObject]:
        """List what is wanted below a root; `known` are codes decided beforehand."""
        branches = [_Branch(root.rstrip("/"), known)]
        with ThreadPoolExecutor(_LISTERS) as pool:
            for level in self.layout.levels[:-1]:
                deeper = pool.map(self._descend, branches, repeat(level))
                branches = [branch for found in deeper for branch in found]
            return [leaf for found in pool.map(self._leaves, branches) for leaf in found]

    def _descend(self, branch: _Branch, level: str) -> list[_Branch]:
        open_fields = fields_of(level) - branch.known.keys()
        if open_fields <= set(DATES):  # known beforehand: nothing to list
            return self._dated(branch, level, open_fields)
        regex = level_regex(level, branch.known)
        found = []
        for entry in self._entries(branch.path):
            name = entry["name"].rstrip("/").rsplit("/", 1)[-1]
            if not (match := regex.fullmatch(name)) or not self._is_folder(entry):
                continue
            known = {**branch.known, **match.groupdict()}
            self.sighting.note(known)
            if self._may_match(known):
                found.append(_Branch(f"{branch.path}/{name}", known))
        return found

    def _dated(self, branch: _Branch, level: str, open_fields: set[str]) -> list[_Branch]:
        parts = {
            tuple(sorted((name, dates_of(day)[name]) for name in open_fields))
            for day in self.days
            if all(branch.known.get(name, value) == value for name, value in dates_of(day).items())
        }
        dated = [dict(branch.known) | dict(part) for part in sorted(parts)]
        return [_Branch(f"{branch.path}/{level.format_map(fields)}", fields) for fields in dated]

    def _leaves(self, branch: _Branch) -> list[ArchiveObject]:
        regex = level_regex(self.layout.levels[-1], branch.known)
        found = []
        for entry in self._entries(branch.path):
            name = entry["name"].rsplit("/", 1)[-1]
            self.sighting.names.add(name)
            if entry["type"] == "directory" or not (match := regex.fullmatch(name)):
                continue
            known = {**branch.known, **match.groupdict()}
            self.sighting.note(known)
            channel = ChannelId(*(known[code] for code in CODES))
            day = _day(known)
            if day in self._wanted and any(pattern.matches(channel) for pattern in self.patterns):
                version = str(entry.get("ETag") or entry.get("mtime") or entry.get("LastModified") or "")
                size = int(entry["size"] or 0)
                found.append(ArchiveObject(f"{branch.path}/{name}", size, version, channel, day))
        return found

    def _entries(self, path: str) -> list[dict[str, Any]]:
        try:
            entries: list[dict[str, Any]] = self.file_system.ls(path, detail=True)
        except FileNotFoundError:
            return []
        except Exception as error:  # every file system has errors of its own
            raise ArchiveError(f"cannot list {path}: {error}") from error
        return [entry for entry in entries if entry["name"].rstrip("/") != path]

    def _is_folder(self, entry: Mapping[str, Any]) -> bool:
        """Follow links: archives are spread over several disks by them."""
        return entry["type"] == "directory" or bool(
            entry["type"] != "file" and self.file_system.isdir(entry["name"])
        )

    def _may_match(self, known: Mapping[str, str]) -> bool:
        return any(
            all(
                name not in known or fnmatchcase(known[name], getattr(pattern, attribute))
                for name, attribute in zip(CODES, ATTRIBUTES, strict=True)
            )
            for pattern in self.patterns
        )


def _spelled_out(layout: Layout, patterns: Sequence[Pattern]) -> dict[str, str]:
    """Take the codes that the template leaves out, or that every pattern spells out, from the patterns."""
    fields = fields_of(layout.template)
    constant: dict[str, str] = {}
    for name, attribute in zip(CODES, ATTRIBUTES, strict=True):
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


def _day(known: Mapping[str, str]) -> dt.date | None:
    try:
        if "doy" in known:
            day = dt.date(int(known["year"]), 1, 1) + dt.timedelta(days=int(known["doy"]) - 1)
            return day if day.year == int(known["year"]) else None
        return dt.date(int(known["year"]), int(known["month"]), int(known["day"]))
    except (ValueError, OverflowError):
        return None


def _explain_nothing(file_system: Any, root: str, url: str, walk: _Walk) -> str:
    """Look again without the selection, over a few of the days, and say what is there instead."""
    absent = {
        name: code
        for name, code in _spelled_out(walk.layout, walk.patterns).items()
        if name not in fields_of(walk.layout.template)
    }
    step = max(1, len(walk.days) // _LOOK_AT_DAYS)
    wider = _Walk(file_system, walk.layout, [Pattern()], walk.days[::step])
    wider.run(root, absent)
    wished = ", ".join(map(str, walk.patterns))
    period = f"{walk.days[0]} to {walk.days[-1]}"
    head = f"nothing in {url} matches {wished} on {period} (layout {walk.layout.template})."
    return explain(head, wider.sighting, walk.patterns)
