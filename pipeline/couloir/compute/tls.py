"""Let the processes of a Dask cluster know each other by a certificate made for their run."""

import os
from pathlib import Path

from distributed import Security

from couloir.errors import ClusterError, ConfigError

CERTIFICATE, KEY = "tls.pem", "tls.key"


def make_certificate(folder: Path) -> None:
    """Make a certificate and its key, which only this user may read.

    One pair serves scheduler, workers and client: who holds the key is one of them. It is good for a year.

    Parameters
    ----------
    folder : Path
        Made if need be, for this user alone.

    Raises
    ------
    ClusterError
        When cryptography is not installed.
    """
    for name, text in pem_files().items():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)


def pem_files() -> dict[str, str]:
    """Make a certificate and its key, and give them by file name.

    Raises
    ------
    ClusterError
        When cryptography is not installed.
    """
    try:
        made = Security.temporary()
    except ImportError as error:
        raise ClusterError(
            "certificates for the connections between workers need cryptography: pip install 'couloir[slurm]'"
        ) from error
    return {CERTIFICATE: made.tls_ca_file, KEY: made.tls_client_key}


def security_of(folder: str | Path) -> Security:
    """Give what Dask needs to use a run's certificate.

    Raises
    ------
    ConfigError
        When the folder does not hold it.
    """
    for path in (Path(folder) / name for name in (CERTIFICATE, KEY)):
        if not os.access(path, os.R_OK):
            raise ConfigError(f"compute.tls ({folder}) needs {path.name}, which is not there or cannot be read")
    return security_to_be(folder)


def security_to_be(folder: str | Path) -> Security:
    """Give what Dask will need, before the folder holds it."""
    certificate, key = (str(Path(folder) / name) for name in (CERTIFICATE, KEY))
    roles = ("client", "scheduler", "worker")
    of_roles = {
        f"tls_{role}_{kind}": path for role in roles for kind, path in {"cert": certificate, "key": key}.items()
    }
    return Security(require_encryption=True, tls_ca_file=certificate, **of_roles)
