"""Write and read the spectrogram archive: Zarr v3, one group a station and month."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray

from couloir.errors import StoreError
from couloir.identifiers import Block
from couloir.kernels.spectrogram import COMPONENTS
from couloir.store.events import COLUMNS, Event, attributes_of, columns_of
from couloir.store.location import Location

ARCHIVE = "spectrograms.zarr"
CHUNK = 64
"""Events of a chunk: what a reader decodes at once, 6 MB of float16 spectrograms."""
SHARD = 1024
"""Events of a shard: what is one object in the store, about 100 MB."""
_MARK = "couloir_complete"
_CODEC = zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")


@dataclass(frozen=True)
class Axes:
    """Hold the axes of a spectrogram and of a window.

    Attributes
    ----------
    frequency : ndarray, shape (F,)
        Hz.
    time : ndarray, shape (T,)
        Middle of each frame, s after the window's start.
    samples : int
        Samples of a window.
    sampling_rate : float
        Hz.
    """

    frequency: NDArray[np.float64]
    time: NDArray[np.float64]
    samples: int
    sampling_rate: float


Picture = Callable[[NDArray[np.float32]], NDArray[np.float16]]
"""Turns windows (events, 3, samples) into spectrograms (events, frequencies, times, 3)."""


def prepare(output: Location, blocks: Iterable[Block]) -> None:
    """Make the groups above the blocks, so that no two tasks do."""
    store = (output / ARCHIVE).zarr_store()
    root = zarr.open_group(store, mode="a", zarr_format=3)
    for band in sorted({block.band for block in blocks}):
        root.require_group(str(band))


def write_block(
    output: Location,
    block: Block,
    *,
    events: Sequence[Event],
    waveforms: NDArray[np.float32],
    picture: Picture,
    axes: Axes,
    settings: Mapping[str, Any],
) -> None:
    """Write a block whole, but for the mark that says it is complete: that is `complete_block`'s.

    Parameters
    ----------
    output : Location
        The run's output place.
    block : Block
    events : sequence of Event
        In order of their windows.
    waveforms : ndarray of float32, shape (events, 3, samples)
        Raw counts, E, N, Z; NaN where nothing was recorded.
    picture : callable
        Computes spectrograms of a batch of waveforms.
    axes : Axes
    settings : mapping
        What made the data, kept as attributes.

    Raises
    ------
    StoreError
        When it cannot be written.
    """
    try:
        group = _fresh_group(output, block)
        _write_axes(group, axes)
        for name, values in columns_of(events).items():
            _write(group, name, values, ("event",), attributes_of(name, events))
        _write(
            group,
            "waveform",
            waveforms,
            ("event", "component", "sample"),
            {"units": "count", "long_name": "recorded window, not filtered"},
        )
        _write_pictures(group, waveforms, picture, axes)
        group.attrs.put({"station": str(block.band), "month": block.key.split("/")[1], **settings})
    except OSError as error:
        raise StoreError(f"cannot write {output / ARCHIVE / block.key}: {error}") from error


def complete_block(output: Location, block: Block, mark: Mapping[str, Any]) -> None:
    """Mark a block as complete, and with what it was made from. The mark alone means done.

    Raises
    ------
    StoreError
        When it cannot be written.
    """
    try:
        group = _open(output, block, mode="r+")
        if group is None:
            raise StoreError(f"{output / ARCHIVE / block.key} has vanished while it was written")
        group.attrs[_MARK] = dict(mark)
    except OSError as error:
        raise StoreError(f"cannot write {output / ARCHIVE / block.key}: {error}") from error


def read_mark(output: Location, block: Block) -> dict[str, Any] | None:
    """Read the mark of a block, or None when it is not complete."""
    group = _open(output, block)
    mark = group.attrs.get(_MARK) if group is not None else None
    return dict(mark) if isinstance(mark, Mapping) else None


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
        self._groups = []
        for block in self.blocks:
            group = _open(output, block)
            if group is None or _MARK not in group.attrs:
                raise StoreError(f"{output / ARCHIVE}: block {block} is not complete. Run `couloir detect` again.")
            self._groups.append(group)
        counts = [_array(group, "start_time").shape[0] for group in self._groups]
        self._ends = np.cumsum([0, *counts])
        spectrograms = [_array(group, "spectrogram") for group in self._groups]
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

    def load(self) -> NDArray[np.float16]:
        """Read every spectrogram into memory."""
        return self._concatenate("spectrogram", np.float16)

    def column(self, name: str) -> NDArray[Any]:
        """Read one column of all events."""
        return self._concatenate(name, COLUMNS[name].dtype)

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

    def _concatenate(self, name: str, dtype: Any) -> NDArray[Any]:
        """Read an array of all blocks, block by block into one place."""
        if not self._groups:
            return np.empty(0, dtype)
        out = np.empty((len(self), *_array(self._groups[0], name).shape[1:]), dtype)
        for group, first, last in zip(self._groups, self._ends[:-1], self._ends[1:], strict=True):
            out[first:last] = _array(group, name)[:]
        return out


def _fresh_group(output: Location, block: Block) -> zarr.Group:
    """Open a block's group empty. The old mark goes first: what is half gone never looks complete."""
    old = _open(output, block, mode="r+")
    if old is not None:
        old.attrs.put({})
    return zarr.create_group((output / ARCHIVE).zarr_store(), path=block.key, overwrite=True, zarr_format=3)


def _open(output: Location, block: Block, *, mode: Literal["r", "r+"] = "r") -> zarr.Group | None:
    try:
        return zarr.open_group((output / ARCHIVE).zarr_store(), path=block.key, mode=mode, zarr_format=3)
    except (FileNotFoundError, ValueError):  # not there, or not whole: a task was killed while it wrote
        return None


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise StoreError(
            f"{group.store_path}: the array {name} is gone. Remove this group and run `couloir detect` again."
        )
    return array


def _write_axes(group: zarr.Group, axes: Axes) -> None:
    _write(group, "frequency", axes.frequency, ("frequency",), {"units": "Hz", "long_name": "frequency"})
    _write(group, "time", axes.time, ("time",), {"units": "s", "long_name": "time after the window's start"})
    meanings = {"flag_values": [0, 1, 2], "flag_meanings": " ".join(COMPONENTS), "long_name": "component"}
    _write(group, "component", np.arange(3, dtype=np.int8), ("component",), meanings)


def _write(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dimensions: tuple[str, ...],
    attributes: Mapping[str, Any],
) -> None:
    array = _create(group, name, values.shape, values.dtype, dimensions, attributes)
    if values.size:
        array[...] = values


def _write_pictures(group: zarr.Group, waveforms: NDArray[np.float32], picture: Picture, axes: Axes) -> None:
    shape = (len(waveforms), len(axes.frequency), len(axes.time), len(COMPONENTS))
    attributes = {"units": "1", "long_name": "normalised magnitude of the short-time Fourier transform"}
    dimensions = ("event", "frequency", "time", "component")
    array = _create(group, "spectrogram", shape, np.dtype(np.float16), dimensions, attributes)
    for first in range(0, len(waveforms), SHARD):
        shard = waveforms[first : first + SHARD]
        pictures = [picture(shard[start : start + CHUNK]) for start in range(0, len(shard), CHUNK)]
        array[first : first + len(shard)] = np.concatenate(pictures)


def _create(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    dimensions: tuple[str, ...],
    attributes: Mapping[str, Any],
) -> zarr.Array[Any]:
    if len(shape) > 1:
        chunks, shards = (CHUNK, *shape[1:]), (SHARD, *shape[1:])
    else:
        chunks, shards = (max(shape[0], 1),), None
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=_CODEC,
        dimension_names=dimensions,
        attributes=dict(attributes),
        fill_value=0,
    )
