"""Remember what a listing met, to help a user whose selection matches nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

from couloir.archive.template import ATTRIBUTES, CODES
from couloir.identifiers import Pattern

_SHOWN = 8


@dataclass
class Sighting:
    """Keep the names of files, and the codes in names that the layout understands."""

    names: set[str] = field(default_factory=set)
    codes: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in CODES})

    def note(self, known: Mapping[str, str]) -> None:
        """Keep the codes of one folder or file."""
        for name in CODES:
            if name in known:
                self.codes[name].add(known[name])


def explain(head: str, sighting: Sighting, patterns: Sequence[Pattern]) -> str:
    """Say which code of the selection is not there, and which are.

    Parameters
    ----------
    head : str
        What was looked for.
    sighting : Sighting
        What a listing without the selection met.
    patterns : sequence of Pattern
        The selection.
    """
    lines = [head]
    for name, attribute in zip(CODES, ATTRIBUTES, strict=True):
        wanted = {getattr(pattern, attribute) for pattern in patterns}
        there = sorted(sighting.codes[name])
        if there and not any(fnmatchcase(code, want) for code in there for want in wanted):
            missing = ", ".join(code or "--" for code in sorted(wanted))
            lines.append(f"  {attribute} {missing} is not there; there are: {_some(there, wanted)}")
    if not any(sighting.codes.values()) and sighting.names:
        lines.append(f"  names found there, none of this layout: {_some(sorted(sighting.names), ())}")
    if len(lines) == 1:
        lines.append("  Check archive.start, archive.end and archive.layout against the folders there.")
    return "\n".join(lines)


def _some(names: Iterable[str], wanted: Iterable[str]) -> str:
    names = list(names)
    near = [name for want in wanted for name in get_close_matches(want, names, n=3, cutoff=0.4)]
    shown = list(dict.fromkeys(near + names))[:_SHOWN]
    return ", ".join(repr(name) for name in shown) + (", ..." if len(names) > len(shown) else "")
