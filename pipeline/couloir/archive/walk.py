"""Go down an archive level by level, into what can hold something wanted only."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import repeat, takewhile
from typing import Any

from couloir.archive import sighting
from couloir.archive.layout import Layout, dates_of, day_of
from couloir.archive.place import Archive
from couloir.archive.sighting import Sighting
from couloir.archive.template import ATTRIBUTES, CODES, DATES, VERSION, Level
from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import Pattern
from couloir.storage import persist

_LISTERS = 16
_LOOK_AT_DAYS = 20
_MOST_PREFIXES = 16
"""Beginnings of names that one folder is listed by; more are listed by what they have in common."""
Codes = tuple[str | None, ...]
"""Network, station, location and channel; None where neither a path nor the selection says."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Hold an object as the listing and its path tell of it.

    Attributes
    ----------
    codes : tuple of (str or None)
    number : int
        Of the version that the path names, 0 if it names none.
    """

    path: str
    size: int
    version: str
    codes: Codes
    day: dt.date
    number: int


@dataclass(frozen=True)
class Listed:
    """Hold what an archive's paths tell that the selection wants.

    Attributes
    ----------
    leaves : list of Leaf
        The highest version of each.
    outdated : int
        Objects passed over for a higher version of them.
    """

    leaves: list[Leaf]
    outdated: int


def list_leaves(archive: Archive, patterns: Sequence[Pattern], days: Sequence[dt.date]) -> Listed:
    """List the objects of wanted days whose path a pattern may match.

    Raises
    ------
    ArchiveError
        When the root cannot be listed, or when nothing in it is wanted; the text names what is there.
    ConfigError
        When the selection leaves open a code that the layout does not say.
    """
    walk = _Walk(archive, patterns, days)
    leaves = walk.run(_spelled_out(archive.layout, patterns))
    if not leaves:
        archive.check_root()
        raise ArchiveError(_explain_nothing(archive, patterns, days))
    newest: dict[tuple[Codes, dt.date], Leaf] = {}
    for leaf in leaves:
        other = newest.setdefault((leaf.codes, leaf.day), leaf)
        if leaf.number > other.number:
            newest[leaf.codes, leaf.day] = leaf
    return Listed(list(newest.values()), len(leaves) - len(newest))


@dataclass(frozen=True)
class _Branch:
    path: str
    known: Mapping[str, str]


class _Walk:
    """Go down an archive level by level, into the folders that can hold something wanted only."""

    def __init__(self, archive: Archive, patterns: Sequence[Pattern], days: Sequence[dt.date]) -> None:
        self.archive = archive
        self.patterns = patterns
        self.days = days
        self.sighting = Sighting()
        self._wanted = set(days)
        self._may_match = cache(self._matches)
        self._channels: dict[Codes, Codes] = {}

    def run(self, known: Mapping[str, str]) -> list[Leaf]:
        """List what is wanted below the root; `known` are codes decided beforehand."""
        branches = [_Branch(self.archive.root, known)]
        with ThreadPoolExecutor(_LISTERS) as pool:
            for level in self.archive.layout.levels[:-1]:
                deeper = pool.map(self._descend, branches, repeat(level))
                branches = [branch for found in deeper for branch in found]
            return [leaf for found in pool.map(self._leaves, branches) for leaf in found]

    def _descend(self, branch: _Branch, level: Level) -> list[_Branch]:
        open_fields = level.fields - branch.known.keys()
        if open_fields <= set(DATES):  # known beforehand: nothing to list
            return self._dated(branch, level, open_fields)
        read = level.reader(branch.known)
        found = []
        for entry in self.archive.entries(branch.path):
            name = entry["name"].rstrip("/").rsplit("/", 1)[-1]
            if (fields := read(name)) is None or not self._is_folder(entry):
                continue
            known = {**branch.known, **fields}
            self.sighting.note(known)
            if self._may_match(tuple(known.get(code) for code in CODES)):
                found.append(_Branch(f"{branch.path}/{name}", known))
        return found

    def _dated(self, branch: _Branch, level: Level, open_fields: set[str]) -> list[_Branch]:
        parts = {
            tuple((name, dates[name]) for name in sorted(open_fields))
            for dates in map(dates_of, self.days)
            if all(branch.known.get(name, value) == value for name, value in dates.items())
        }
        dated = [dict(branch.known) | dict(part) for part in sorted(parts)]
        return [_Branch(f"{branch.path}/{level.write(fields)}", fields) for fields in dated]

    def _leaves(self, branch: _Branch) -> list[Leaf]:
        level = self.archive.layout.levels[-1]
        read = level.reader(branch.known)
        found = []
        for entry in self._objects(branch, level):
            name = entry["name"].rsplit("/", 1)[-1]
            self.sighting.names.add(name)
            if entry["type"] == "directory" or (fields := read(name)) is None:
                continue
            known = {**branch.known, **fields}
            self.sighting.note(known)
            codes = tuple(known.get(code) for code in CODES)
            day = day_of(known)
            if day in self._wanted and day is not None and self._may_match(codes):
                version = str(entry.get("ETag") or entry.get("mtime") or entry.get("LastModified") or "")
                size, number = int(entry["size"] or 0), int(known.get(VERSION, 0))
                codes = self._channels.setdefault(codes, codes)  # one object for all days
                found.append(Leaf(f"{branch.path}/{name}", size, version, codes, day, number))
        return found

    def _objects(self, branch: _Branch, level: Level) -> Iterator[dict[str, Any]]:
        if not self.archive.by_prefix:
            yield from self.archive.entries(branch.path)
            return
        codes = tuple(branch.known.get(code) for code in CODES)
        beginnings = {level.prefix(branch.known, each) for each in self.patterns if _agrees(each, codes)}
        for prefix in _fewest(beginnings):
            yield from self.archive.entries(branch.path, prefix)

    def _is_folder(self, entry: Mapping[str, Any]) -> bool:
        """Follow links: archives are spread over several disks by them."""
        if entry["type"] in ("directory", "file"):
            return bool(entry["type"] == "directory")
        return bool(persist(self.archive.file_system, "isdir", entry["name"], patience=self.archive.patience))

    def _matches(self, codes: Codes) -> bool:
        return any(_agrees(pattern, codes) for pattern in self.patterns)


def _agrees(pattern: Pattern, codes: Codes) -> bool:
    return all(
        code is None or fnmatchcase(code, getattr(pattern, attribute))
        for code, attribute in zip(codes, ATTRIBUTES, strict=True)
    )


def _fewest(prefixes: Iterable[str]) -> list[str]:
    """Leave out prefixes that another covers; take what all have in common where they are many."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    if len(kept) <= _MOST_PREFIXES:
        return kept
    alike = takewhile(lambda letters: letters[0] == letters[1], zip(kept[0], kept[-1], strict=False))
    return ["".join(letter for letter, _ in alike)]


def _spelled_out(layout: Layout, patterns: Sequence[Pattern]) -> dict[str, str]:
    """Take the codes that the template leaves out, or that every pattern spells out, from the patterns."""
    constant: dict[str, str] = {}
    for name, attribute in zip(CODES, ATTRIBUTES, strict=True):
        values = {getattr(pattern, attribute) for pattern in patterns}
        literal = len(values) == 1 and not any(sign in next(iter(values)) for sign in "*?")
        inside = not layout.names_channels and name in ("loc", "cha")
        if literal:
            constant[name] = values.pop()
        elif name not in layout.fields and not inside:
            raise ConfigError(
                f"archive.layout {layout.template!r} does not say the {attribute}: spell it out in archive.select "
                f"(found {', '.join(map(str, patterns))})"
            )
    return constant


def _explain_nothing(archive: Archive, patterns: Sequence[Pattern], days: Sequence[dt.date]) -> str:
    """Look again without the selection, over a few of the days, and say what is there instead."""
    absent = {
        name: code
        for name, code in _spelled_out(archive.layout, patterns).items()
        if name not in archive.layout.fields
    }
    wider = _Walk(archive, [Pattern()], days[:: max(1, len(days) // _LOOK_AT_DAYS)])
    wider.run(absent)
    wished = ", ".join(map(str, patterns))
    period = f"{days[0]} to {days[-1]}"
    head = f"nothing in {archive.url} matches {wished} on {period} (layout {archive.layout.template})."
    return sighting.explain(head, wider.sighting, patterns)
