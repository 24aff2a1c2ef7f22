"""Keep what is said about a file short, however much is wrong with it."""

from collections.abc import Iterable

MOST = 12
"""Remarks on one file that are told."""
_LONGEST = 600
"""Characters of one remark: a path, and a sentence."""


def at_most(remarks: Iterable[str], most: int = MOST) -> tuple[str, ...]:
    """Give each remark once, the first so many of them, and the number of the rest."""
    different = list(dict.fromkeys(remarks))
    kept = tuple(plain(remark) for remark in different[:most])
    return kept if len(different) <= most else (*kept, f"and {len(different) - most} more remarks")


def plain(text: str, longest: int = _LONGEST) -> str:
    """Put text that may come from a damaged header on one line that a terminal can print."""
    short = text if len(text) <= longest else text[:longest] + " ..."
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(short.split()))


def several(items: Iterable[object], most: int = 3) -> str:
    """Name the first of some things, and how many more there are."""
    named = [str(item) for item in items]
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more
