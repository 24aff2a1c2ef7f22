"""Read the complete blocks of the spectrogram archive as one sequence of events."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from couloir.errors import StoreError
from couloir.identifiers import Block
from couloir.store.blocks import ARCHIVE, MARK, Axes, open_block
from couloir.store.events import COLUMNS
from couloir.store.location import READERS, Location

_SMALL = 1024
"""Bytes of an event in a column: of such, many blocks are read at once."""


class SpectrogramArchive:
    """Read the complete blocks of a run as one sequence of events.

    Parameters
    ----------
    output : Location
    blocks : iterable of Block
        Those expected. One that is not complete is an error.

    Attributes
    ----------
    shape : tuple of int
        (events, frequencies, times, 3).

    Raises
    ------
    StoreError
        When a block is not complete.
    """

    def __init__(self, output: Location, blocks: Iterable[Block]) -> None:
        self.blocks = tuple(blocks)
        with ThreadPoolExecutor(READERS) as readers:
            found = readers.map(lambda block: open_block(output, block), self.blocks)
            self._groups = [_complete(output, *pair) for pair in zip(self.blocks, found, strict=True)]
            counts = readers.map(lambda group: _array(group, "start_time").shape[0], self._groups)
            self._ends = np.cumsum([0, *counts])
        self._columns: dict[str, NDArray[Any]] = {}
        spectrograms = [_array(group, "spectrogram") for group in self._groups[:1]]
        picture = spectrograms[0].shape[1:] if spectrograms else (0, 0, 0)
        self.shape = (int(self._ends[-1]), *picture)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: NDArray[np.int64]) -> NDArray[np.float16]:
        """Read the spectrograms of some events, in the order asked for."""
        return self._gather("spectrogram", indices)

    def waveforms(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the windows of some events, shape (events, 3, samples), counts."""
        return self._gather("waveform", indices)

    def load(self, between: Callable[[], None] = lambda: None) -> NDArray[np.float16]:
        """Read every spectrogram into memory; `between` two blocks something may be called, and end it."""
        return self._concatenate("spectrogram", np.float16, between)

    def column(self, name: str) -> NDArray[Any]:
        """Read one column of all events; it is read once."""
        if name not in self._columns:
            self._columns[name] = self._concatenate(name, COLUMNS[name].dtype)
        return self._columns[name]

    @cached_property
    def digest(self) -> str:
        """Hash which events these are, the same wherever they lie: 16 hex digits."""
        digest = hashlib.sha256(repr((self.shape, [block.key for block in self.blocks])).encode())
        for name in COLUMNS:
            digest.update(self.column(name).tobytes())
        return digest.hexdigest()[:16]

    def block_numbers(self) -> NDArray[np.int64]:
        """Give each event's block, as a position in `blocks`."""
        return np.repeat(np.arange(len(self.blocks)), np.diff(self._ends))

    def axes(self) -> Axes:
        """Read the axes."""
        group = self._groups[0]
        return Axes(
            np.asarray(_array(group, "frequency")[:], np.float64),
            np.asarray(_array(group, "time")[:], np.float64),
            _array(group, "waveform").shape[-1],
            float(str(group.attrs["sampling_rate"])),
        )

    def _gather(self, name: str, indices: NDArray[np.int64]) -> NDArray[Any]:
        wanted = np.asarray(indices, np.int64)
        home = np.searchsorted(self._ends, wanted, side="right") - 1
        first = _array(self._groups[0], name)
        out = np.empty((len(wanted), *first.shape[1:]), first.dtype)
        for number in np.unique(home):
            mine = home == number
            rows, back = np.unique(wanted[mine] - self._ends[number], return_inverse=True)
            out[mine] = np.asarray(_array(self._groups[number], name).oindex[rows])[back]
        return out

    def _concatenate(self, name: str, dtype: Any, between: Callable[[], None] = lambda: None) -> NDArray[Any]:
        """Read an array of all blocks, block by block into one place."""
        if not self._groups:
            return np.empty(0, dtype)
        out = np.empty((len(self), *_array(self._groups[0], name).shape[1:]), dtype)

        def read(number: int) -> None:
            out[self._ends[number] : self._ends[number + 1]] = _array(self._groups[number], name)[:]

        with ThreadPoolExecutor(READERS if out[:1].nbytes < _SMALL else 1) as readers:
            for _ in readers.map(read, range(len(self._groups))):
                between()
        return out


def _complete(output: Location, block: Block, group: zarr.Group | None) -> zarr.Group:
    if group is None or MARK not in group.attrs:
        raise StoreError(f"{output / ARCHIVE}: block {block} is not complete. Run `couloir detect` again.")
    return group


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise StoreError(
            f"{group.store_path}: the array {name} is gone. Remove this group and run `couloir detect` again."
        )
    return array
