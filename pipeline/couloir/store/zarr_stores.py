"""Reach Zarr objects like any other: with patience, and with the checksum of what is written."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Self, TypeVar

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

from couloir.errors import StoreError
from couloir.storage import Patience, explain, persist_async
from couloir.store.sealed import Checksum

T = TypeVar("T")

_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError, KeyError, ValueError, TypeError)
"""What says that nothing is there, or that it was asked for wrongly."""

_SMALL = 1 << 20
"""Objects under this many bytes wait to be written together: each alone costs a journey to the bucket."""
_LARGEST = 128 << 20
"""Bytes that an answer may hold: a shard."""


class PatientStore(WrapperStore[Store]):
    """Ask a store again where that may help.

    Parameters
    ----------
    store : Store
    patience : Patience
    name : str
        What errors call it.
    """

    def __init__(self, store: Store, patience: Patience | None = None, *, name: str = "") -> None:
        super().__init__(store)
        self._patience = patience or Patience()
        self._name = name or str(store)

    def _with_store(self, store: Store) -> Self:
        return type(self)(store, self._patience, name=self._name)

    async def _try(self, call: Callable[[], Awaitable[T]], size: int = 0) -> T:
        try:
            return await persist_async(call, patience=self._patience, size=size)
        except _ABSENT:
            raise
        except Exception as error:  # every file system has errors of its own
            raise StoreError(f"cannot reach {self._name}: {explain(error)}") from error

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read an object or a part of it."""
        return await self._try(lambda: self._store.get(key, prototype, byte_range), _LARGEST)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read parts of objects."""
        wanted = list(key_ranges)
        return await self._try(lambda: self._store.get_partial_values(prototype, wanted), _LARGEST)

    async def exists(self, key: str) -> bool:
        """Say whether there is an object."""
        return await self._try(lambda: self._store.exists(key))

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object."""
        await self._try(lambda: self._store.set(key, value), len(value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write an object unless there is one: nobody else writes here."""
        if not await self.exists(key):
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """Remove an object."""
        await self._try(lambda: self._store.delete(key))

    async def delete_dir(self, prefix: str) -> None:
        """Remove all objects under a prefix."""
        await self._try(lambda: self._store.delete_dir(prefix))

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        for request in requests:
            yield request[0], await self.get(*request)

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        for key, value in values:
            await self.set(key, value)


class GatheringStore(PatientStore):
    """Write large objects at once, keep small ones for the caller to write, and sum up all of them.

    Attributes
    ----------
    checksums : dict of str to Checksum
        By key, of every large object written.
    kept : dict of str to bytes
        Small objects, by key.
    """

    def __init__(self, store: Store, patience: Patience | None = None, *, name: str = "") -> None:
        super().__init__(store, patience, name=name)
        self.checksums: dict[str, Checksum] = {}
        self.kept: dict[str, Buffer] = {}

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read an object, one that is still kept too."""
        if key in self.kept and byte_range is None:
            return self.kept[key]
        return await super().get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        """Say whether there is an object, one that is still kept too."""
        return key in self.kept or await super().exists(key)

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object, or keep it."""
        if len(value) < _SMALL:
            self.kept[key] = value
            return
        await super().set(key, value)
        self.checksums[key] = Checksum.of(value.to_bytes())
