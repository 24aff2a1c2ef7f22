"""Read tables that a user wrote, with a spreadsheet or by hand."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from couloir.errors import ConfigError, StoreError
from couloir.store.location import Location

Row = dict[str, str | None]


@dataclass(frozen=True)
class UserTable:
    """Hold a table's columns, and its rows with the numbers of their lines."""

    columns: Sequence[str]
    rows: Sequence[tuple[int, Row]]


def read_user_text(place: Location, *, setting: str) -> str | None:
    """Read a text that a user wrote, as UTF-8 with or without a byte-order mark; None where it is not there.

    Parameters
    ----------
    place : Location
    setting : str
        What names the file, for an error.

    Raises
    ------
    ConfigError
        When it cannot be read, or is no UTF-8, with the line.
    """
    try:
        data = place.read_bytes()
    except StoreError as error:
        raise ConfigError(f"{setting}: {error}") from error
    if data is None:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{setting}: {place} line {line} is not UTF-8. Save it as CSV UTF-8, as spreadsheets call it."
        ) from error


def read_user_table(place: Location, *, setting: str) -> UserTable | None:
    """Read a CSV table that a user wrote; None where it is not there.

    Columns that a row lacks are None in it.

    Raises
    ------
    ConfigError
        When it is no UTF-8, or no CSV, with the line.
    """
    text = read_user_text(place, setting=setting)
    if text is None:
        return None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        return UserTable(reader.fieldnames or (), [(reader.line_num, row) for row in reader])
    except csv.Error as error:
        raise ConfigError(f"{setting}: {place} line {reader.line_num} is no CSV: {error}") from error
