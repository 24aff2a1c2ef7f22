"""Reach a place under the output URL, on disk or in object storage."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import zarr
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import Store

from couloir.errors import StoreError
from couloir.storage import Patience, explain, is_taken, open_place, persist

READERS = 16
"""Objects asked for at once: each answer from a bucket takes a while, however small it is."""
_PART = ".part"
_LARGEST = 64 << 20
"""Bytes that an object read at once may hold without its reading being given up as too slow."""


@dataclass(frozen=True)
class Location:
    """Hold a URL and what its file system needs; make the file system where it is used.

    Parameters
    ----------
    url : str
        A folder: a path, or a URL that fsspec knows.
    storage_options : mapping
        For the file system; holds no credentials.
    patience : Patience
        How long it may keep one waiting.
    """

    url: str
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "Location":
        return Location(f"{self.url.rstrip('/')}/{name}", self.storage_options, self.patience)

    @property
    def local_path(self) -> Path | None:
        """The path on this machine, or None when the place is elsewhere."""
        protocol, _ = fsspec.core.split_protocol(self.url)
        if protocol not in (None, "file", "local"):
            return None
        return Path(LocalFileSystem._strip_protocol(self.url))  # the file system itself puts the home folder for ~

    def file_system(self) -> tuple[Any, str]:
        """Make the file system, and give the path in it."""
        return open_place(self.url, self.storage_options, patience=self.patience)

    def exists(self) -> bool:
        """Say whether there is an object or a folder here; s3fs's own `exists` hides that it could not ask."""
        return self._ask("info") is not None

    def size(self) -> int | None:
        """Give the bytes of the object here, or None when there is none."""
        found = self._ask("size")
        return None if found is None else int(found)

    def read_bytes(self) -> bytes | None:
        """Read a whole object, or give None when it is not there.

        Raises
        ------
        StoreError
            When it cannot be read though it may be there.
        """
        data: bytes | None = self._ask("cat_file", size=_LARGEST)
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
            self._put(data, Path.replace)
        except Exception as error:  # every file system has errors of its own
            raise self.not_writable(error) from error

    def write_text(self, text: str) -> None:
        """Write a whole object as UTF-8, like `write_bytes`."""
        self.write_bytes(text.encode())

    def write_many(self, objects: Mapping[str, bytes]) -> None:
        """Write objects below here by name, several at once, like `write_bytes`."""
        with ThreadPoolExecutor(READERS) as writers:
            for done in [writers.submit((self / name).write_bytes, data) for name, data in objects.items()]:
                done.result()

    def create(self, data: bytes) -> bool:
        """Write an object that must not be there yet, and say whether it was not: of several, one succeeds.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        try:
            self._put(data, _link, mode="create")
        except Exception as error:  # every file system has errors of its own
            if not is_taken(error):
                raise self.not_writable(error) from error
            return self.read_bytes() == data  # it was this call's own first attempt, its answer lost
        return True

    def remove(self) -> None:
        """Remove the object or folder here, if there is one.

        Raises
        ------
        StoreError
            When it cannot be removed.
        """
        file_system, path = self.file_system()
        try:
            persist(file_system, "rm", path, recursive=True, patience=self.patience)
        except FileNotFoundError:
            return
        except Exception as error:  # every file system has errors of its own
            raise StoreError(f"cannot remove {self}: {explain(error)}") from error

    def names(self) -> list[str]:
        """List the names directly below here, in order; none where there is nothing."""
        found = self._ask("ls", detail=False) or []
        path = self.file_system()[1]
        below = (name.rstrip("/") for name in found)
        return sorted(name.rsplit("/", 1)[-1] for name in below if name != path)

    def walk(self) -> dict[str, int]:
        """List every object at any depth below here: its path from here, and its bytes."""
        found = self._ask("find", detail=True) or {}
        path = self.file_system()[1]
        return {
            name[len(path) + 1 :]: int(entry["size"] or 0)
            for name, entry in found.items()
            if not name.endswith(_PART)  # a process was killed while it wrote
        }

    def zarr_store(self) -> Store:
        """Open this place as a Zarr store, without patience."""
        if (local := self.local_path) is not None:
            return zarr.storage.LocalStore(local)
        if not self.file_system()[0].async_impl:
            return zarr.storage.FsspecStore.from_url(self.url, storage_options=dict(self.storage_options))
        file_system, path = open_place(self.url, self.storage_options, patience=self.patience, asynchronous=True)
        return zarr.storage.FsspecStore(file_system, path=path)

    def not_writable(self, error: Exception) -> StoreError:
        """Put into words why nothing can be written here."""
        return StoreError(
            f"cannot write {self}: {explain(error)}. Check output.url, its permissions and free space."
        )

    def _put(self, data: bytes, settle: Callable[[Path, Path], Any], **options: Any) -> None:
        """Write an object: on a disk beside its place, from where `settle` brings it there whole."""
        if (local := self.local_path) is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
            with _part_beside(local) as part:
                part.write_bytes(data)
                settle(part, local)
        else:
            file_system, path = self.file_system()
            persist(file_system, "pipe_file", path, data, patience=self.patience, size=len(data), **options)

    def _ask(self, method: str, *, size: int = 0, **options: Any) -> Any:
        """Call a method of the file system on this path; None where there is nothing."""
        file_system, path = self.file_system()
        try:
            return persist(file_system, method, path, patience=self.patience, size=size, **options)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:  # every file system has errors of its own
            raise StoreError(f"cannot read {self}: {explain(error)}") from error


def _link(part: Path, path: Path) -> None:
    """Give a file a second name, which fails where there is one; where none can have two, write it anew."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        with path.open("xb") as file:
            file.write(part.read_bytes())


@contextmanager
def _part_beside(path: Path) -> Iterator[Path]:
    """Name a file to write first; gone afterwards, whatever happens."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{_PART}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
