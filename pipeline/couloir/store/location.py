"""Reach a place under the output URL, on disk or in object storage."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import zarr
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import Store

from couloir.errors import StoreError


@dataclass(frozen=True)
class Location:
    """Hold a URL and what its file system needs; make the file system where it is used.

    Parameters
    ----------
    url : str
        A folder: a path, or a URL that fsspec knows.
    storage_options : mapping
        For the file system; holds no credentials.
    """

    url: str
    storage_options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "Location":
        return Location(f"{self.url.rstrip('/')}/{name}", self.storage_options)

    @property
    def local_path(self) -> Path | None:
        """The path on this machine, or None when the place is elsewhere."""
        protocol, _ = fsspec.core.split_protocol(self.url)
        if protocol not in (None, "file", "local"):
            return None
        return Path(LocalFileSystem._strip_protocol(self.url))  # the file system itself puts the home folder for ~

    def file_system(self) -> tuple[Any, str]:
        """Make the file system, and give the path in it."""
        try:
            file_system, path = fsspec.core.url_to_fs(self.url, **dict(self.storage_options))
        except (ValueError, ImportError) as error:
            raise StoreError(f"cannot open {self.url}: {error}") from error
        return file_system, path.rstrip("/")

    def exists(self) -> bool:
        """Say whether there is an object or a folder here."""
        file_system, path = self.file_system()
        return bool(file_system.exists(path))

    def size(self) -> int | None:
        """Give the bytes of the object here, or None when there is none."""
        file_system, path = self.file_system()
        try:
            return int(file_system.size(path))
        except FileNotFoundError:
            return None

    def read_bytes(self) -> bytes | None:
        """Read a whole object, or give None when it is not there."""
        file_system, path = self.file_system()
        try:
            data: bytes = file_system.cat_file(path)
        except FileNotFoundError:
            return None
        return data

    def read_text(self) -> str | None:
        """Read a whole object as UTF-8, or give None when it is not there."""
        data = self.read_bytes()
        return None if data is None else data.decode()

    def write_bytes(self, data: bytes) -> None:
        """Write a whole object; a reader sees the old one or the new one, never a part.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        try:
            if (local := self.local_path) is not None:
                local.parent.mkdir(parents=True, exist_ok=True)
                part = local.with_name(f".{local.name}.{os.getpid()}.part")
                part.write_bytes(data)
                part.replace(local)
            else:
                file_system, path = self.file_system()
                file_system.pipe_file(path, data)
        except OSError as error:
            raise StoreError(
                f"cannot write {self}: {error}. Check output.url, its permissions and free space."
            ) from error

    def write_text(self, text: str) -> None:
        """Write a whole object as UTF-8, like `write_bytes`."""
        self.write_bytes(text.encode())

    def remove(self) -> None:
        """Remove the object or folder here, if there is one."""
        file_system, path = self.file_system()
        if file_system.exists(path):
            file_system.rm(path, recursive=True)

    def zarr_store(self) -> Store:
        """Open this place as a Zarr store."""
        if (local := self.local_path) is not None:
            return zarr.storage.LocalStore(local)
        return zarr.storage.FsspecStore.from_url(self.url, storage_options=dict(self.storage_options))
