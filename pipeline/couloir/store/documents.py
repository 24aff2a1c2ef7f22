"""Read the small JSON documents that stages leave for one another."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from couloir.errors import DamagedError
from couloir.store.location import Location

T = TypeVar("T")

CATALOG_AGAIN = "Remove it and run `couloir catalog` again."
"""What to do about a damaged document of the catalog."""


def read_document(
    place: Location, build: Callable[[Any], T], *, remedy: str, parse: Callable[[bytes], Any] = json.loads
) -> T | None:
    """Read a document; None where there is none.

    Parameters
    ----------
    place : Location
    build : callable
        Makes of what the JSON holds what is wanted of it.
    remedy : str
        What a user can do about a damaged one: a sentence.
    parse : callable
        Reads the bytes: JSON, or with `couloir.store.sealed.unseal` JSON that carries its checksum.

    Raises
    ------
    DamagedError
        When it is no JSON, or not of the kind that `build` takes.
    """
    data = place.read_bytes()
    if data is None:
        return None
    try:
        return build(parse(data))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedError(f"{place} is damaged ({type(error).__name__}: {error}). {remedy}") from error
