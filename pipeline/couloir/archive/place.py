"""Open an archive, and list one folder of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from couloir.archive.layout import Layout
from couloir.errors import ArchiveError, ConfigError
from couloir.storage import Patience, explain, open_place, persist

PATIENCE = Patience()


def is_bucket_missing(error: FileNotFoundError) -> bool:
    """Say whether it is the bucket that is not there, and not something in it."""
    return explain(error) == "the bucket does not exist"


@dataclass(frozen=True)
class Archive:
    """Hold the file system of an archive, and how it is laid out."""

    url: str
    root: str
    file_system: Any
    layout: Layout
    patience: Patience = PATIENCE

    @classmethod
    def open(
        cls,
        url: str,
        layout: Layout,
        *,
        storage_options: Mapping[str, Any] | None = None,
        patience: Patience = PATIENCE,
    ) -> "Archive":
        """Open an archive.

        Raises
        ------
        ArchiveError
            When its URL or the storage options are wrong.
        """
        try:
            file_system, root = open_place(url, storage_options or {}, patience=patience)
        except ConfigError as error:
            raise ArchiveError(f"archive.url: {error}") from error
        return cls(url, root, file_system, layout, patience)

    @property
    def by_prefix(self) -> bool:
        """Whether the storage itself can tell what begins with a prefix."""
        protocol = self.file_system.protocol
        return "s3" in ([protocol] if isinstance(protocol, str) else protocol)

    def entries(self, path: str, prefix: str = "") -> list[dict[str, Any]]:
        """List a folder, or the objects in it that begin with a prefix if the storage is `by_prefix`.

        Raises
        ------
        ArchiveError
            When it cannot be listed. A folder that is not there holds nothing.
        """
        try:
            found = self._list(path, prefix)
        except FileNotFoundError:
            return []
        except Exception as error:  # every file system has errors of its own
            where = "" if path == self.root else f" at {path}"
            raise ArchiveError(f"archive.url: cannot list {self.url}{where}: {explain(error)}") from error
        return [entry for entry in found if entry["name"].rstrip("/") != path]

    def _list(self, path: str, prefix: str) -> list[dict[str, Any]]:
        if prefix:  # with maxdepth, as would be plainer, s3fs before 2026.3 refuses it
            told = persist(self.file_system, "find", path, prefix=prefix, detail=True, patience=self.patience)
            depth = path.count("/") + 1
            return [entry for name, entry in told.items() if name.count("/") == depth]
        entries: list[dict[str, Any]] = persist(self.file_system, "ls", path, detail=True, patience=self.patience)
        return entries

    def check_root(self) -> None:
        """Refuse a root that is not there.

        Raises
        ------
        ArchiveError
        """
        try:
            persist(self.file_system, "ls", self.root, detail=True, patience=self.patience)
        except FileNotFoundError as error:
            if is_bucket_missing(error):
                raise ArchiveError(f"archive.url: cannot list {self.url}: {explain(error)}") from error
            raise ArchiveError(
                f"archive.url: {self.url} does not exist. "
                "Give the folder or bucket prefix above what archive.layout describes."
            ) from error
        except Exception as error:  # every file system has errors of its own
            raise ArchiveError(f"archive.url: cannot list {self.url}: {explain(error)}") from error
