"""Hold what the run file says of a node against the node itself, before Dask fails on it."""

import os
import socket

from distributed.utils import get_ip_interface

from couloir.compute.paths import from_home
from couloir.errors import ConfigError


def check_interface(name: str | None) -> None:
    """Refuse a network interface that this node does not have.

    Raises
    ------
    ConfigError
        With those that it has.
    """
    if name is None:
        return
    try:
        get_ip_interface(name)
    except ValueError as error:
        raise ConfigError(f"compute.slurm.interface ({name}) on {socket.gethostname()}: {error}") from error


def scratch_folder(scratch: str | None) -> str | None:
    """Give the folder of this node that the run file names, with its variables replaced; made if need be.

    Raises
    ------
    ConfigError
        When it names a variable that is not set here, or is empty, or when it cannot be made.
    """
    if scratch is None:
        return None
    setting = f"compute.slurm.scratch ({scratch}) on {socket.gethostname()}"
    folder = from_home(os.path.expandvars(scratch))
    if "$" in str(folder) or not folder.is_absolute():
        raise ConfigError(
            f"{setting}: a variable in it is not set, or it is no absolute path. Name a folder, or leave it out "
            "for /tmp"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{setting} cannot be made: {error.strerror}") from error
    return str(folder)
