"""Read and write one level of a path template: fields, padding, and a part that may be missing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from couloir.errors import ConfigError
from couloir.identifiers import Pattern

CODES = ("net", "sta", "loc", "cha")
ATTRIBUTES = ("network", "station", "location", "channel")
"""What `ChannelId` and `Pattern` call the codes."""
DATES = ("year", "month", "day", "doy")
VERSION = "version"
FIELDS = {
    "net": r"[A-Za-z0-9]{1,8}",
    "sta": r"[A-Za-z0-9]{1,8}",
    "loc": r"[A-Za-z0-9]{0,8}",
    "cha": r"[A-Za-z0-9]{3}",
    "year": r"\d{4}",
    "month": r"\d{2}",
    "day": r"\d{2}",
    "doy": r"\d{3}",
    VERSION: r"\d{1,9}",
}
_PADDING = re.compile(r"[^A-Za-z0-9\s/<>{}\[\]][<>][1-8]")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Piece:
    """Hold a stretch of a template: literal text, then a field if there is one.

    Attributes
    ----------
    padding : str
        Fill, side and width, as ``_<5``; empty where the field stands as it is.
    optional : bool
        Whether names may lack this stretch.
    """

    literal: str
    field: str | None
    padding: str
    optional: bool

    def write(self, value: str) -> str:
        """Give the literal text and a value as it stands in a name."""
        return self.literal + format(value, self.padding)

    def read(self, text: str) -> str | None:
        """Take a field's padding off; None where what is left is no value of the field."""
        value = text
        if self.padding:
            fill = self.padding[0]
            value = text.rstrip(fill) if self.padding[1] == "<" else text.lstrip(fill)
        return value if re.fullmatch(FIELDS[self.field or ""], value) else None

    @property
    def regex(self) -> str:
        """What an open field may look like in a name, its padding included."""
        if not self.padding:
            return FIELDS[self.field or ""]
        return rf"[A-Za-z0-9{re.escape(self.padding[0])}]{{{self.padding[2]}}}"


@dataclass(frozen=True)
class Level:
    """Hold one level of a template: the name of a folder, or of an object."""

    text: str

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """What the level is put together from, in order.

        Raises
        ------
        ConfigError
            When its braces or brackets do not match, or a field has a format that is no padding.
        """
        return tuple(self._pieces())

    def _pieces(self) -> Iterator[Piece]:
        position = 0
        for found in _OPTIONAL.finditer(self.text):
            yield from _parse(self.text[position : found.start()], optional=False)
            yield from _parse(found.group(1), optional=True)
            position = found.end()
        yield from _parse(self.text[position:], optional=False)

    @property
    def fields(self) -> set[str]:
        """The fields in it."""
        return {piece.field for piece in self.pieces if piece.field is not None}

    def write(self, known: Mapping[str, str]) -> str:
        """Give the name that fields make; an optional part whose field is not known is left out."""
        return "".join(
            piece.write(known[piece.field]) if piece.field else piece.literal
            for piece in self.pieces
            if not piece.optional or piece.field in known
        )

    def reader(self, known: Mapping[str, str]) -> "Reader":
        """Make what reads names of this level, with the fields already known put in."""
        return Reader(self.pieces, known)

    def prefix(self, known: Mapping[str, str], pattern: Pattern) -> str:
        """Give the longest beginning that all names have which a pattern may select."""
        beginning = ""
        for piece in self.pieces:
            if piece.optional:
                break
            if piece.field is None:
                beginning += piece.literal
                continue
            value = known.get(piece.field)
            if value is None and piece.field in CODES:
                wanted = getattr(pattern, ATTRIBUTES[CODES.index(piece.field)])
                head = re.split(r"[*?]", wanted, maxsplit=1)[0]
                if head != wanted:
                    right = piece.padding[1:2] == ">"
                    return beginning + piece.literal + ("" if right else head)
                value = wanted
            if value is None:
                return beginning + piece.literal
            beginning += piece.write(value)
        return beginning


class Reader:
    """Read names of one level."""

    def __init__(self, pieces: tuple[Piece, ...], known: Mapping[str, str]) -> None:
        self._groups: list[Piece] = []
        self._regex = re.compile("".join(self._compile(piece, known) for piece in pieces))

    def _compile(self, piece: Piece, known: Mapping[str, str]) -> str:
        if piece.field is None:
            return re.escape(piece.literal)
        if piece.field in known:
            text = re.escape(piece.write(known[piece.field]))
        else:
            self._groups.append(piece)
            text = f"{re.escape(piece.literal)}({piece.regex})"
        return f"(?:{text})?" if piece.optional else text

    def __call__(self, name: str) -> dict[str, str] | None:
        """Give the fields that a name holds; None where it is no name of this level."""
        found = self._regex.fullmatch(name)
        if found is None:
            return None
        fields: dict[str, str] = {}
        for piece, text in zip(self._groups, found.groups(), strict=True):
            if text is None:
                continue
            value = piece.read(text)
            if value is None or fields.setdefault(piece.field or "", value) != value:
                return None
        return fields


def _parse(text: str, *, optional: bool) -> Iterator[Piece]:
    if "[" in text or "]" in text:
        raise ConfigError(f"archive.layout: the brackets around {text!r} do not match")
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"archive.layout: {text!r} is no template: {error}") from error
    for literal, name, padding, conversion in parts:
        if conversion or (padding and not _PADDING.fullmatch(padding)):
            raise ConfigError(
                f"archive.layout: {{{name}}} in {text!r} must stand without a format, or with a padding of "
                "fill, side and width: {sta:_<5} is GSC__"
            )
        yield Piece(literal, name, padding or "", optional)
    if optional and [piece[1] for piece in parts] != [VERSION]:
        raise ConfigError(f"archive.layout: [{text}] must hold {{version}} at its end and no other field")
