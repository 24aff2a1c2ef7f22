"""Say where paths of the run file lie, whoever looks."""

from pathlib import Path

from couloir.errors import ConfigError


def from_home(path: str) -> Path:
    """Put a home folder in the place of ``~`` or ``~user``.

    Raises
    ------
    ConfigError
        When that user is not known here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{path}: whose home that is, is not known here. Write the path in full") from error


def absolute(path: str) -> Path:
    """Say where a path lies from wherever one looks; ``~`` is the home of who submits.

    Raises
    ------
    ConfigError
        When it begins with the home of somebody who is not known here.
    """
    return from_home(path).absolute()
