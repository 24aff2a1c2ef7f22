"""Keep the classes that users name apart from the one that the catalog itself gives."""

from couloir.errors import ConfigError

UNKNOWN = "unknown"
"""Class of an event that is rejected: unlike anything the model knows."""


def refuse_taken(name: str, where: str) -> None:
    """Refuse a class that could not be told from `UNKNOWN`.

    Raises
    ------
    ConfigError
        Saying where it is named.
    """
    if name.strip().casefold() == UNKNOWN:
        raise ConfigError(
            f"{where}: the class {name!r} is kept for events unlike any the model knows; call it something else"
        )
