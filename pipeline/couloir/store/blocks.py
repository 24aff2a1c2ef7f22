"""Write blocks of the spectrogram archive, whole, and mark those that are complete: Zarr v3."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
import zarr.codecs
from numpy.typing import NDArray

from couloir.errors import StoreError
from couloir.identifiers import Block
from couloir.kernels.spectrogram import COMPONENTS
from couloir.store.events import Event, attributes_of, columns_of
from couloir.store.location import READERS, Location
from couloir.store.manifest import write_manifest
from couloir.store.sealed import Checksum
from couloir.store.zarr_stores import GatheringStore, PatientStore

ARCHIVE = "spectrograms.zarr"
CHUNK = 64
"""Events of a chunk: what a reader decodes at once, 6 MB of float16 spectrograms."""
SHARD = 1024
"""Events of a shard: what is one object in the store, about 100 MB."""
MARK = "couloir_complete"
_METADATA = "zarr.json"
GROUP = json.dumps({"attributes": {}, "zarr_format": 3, "node_type": "group"}, indent=2).encode()
"""What a group that only holds others is, as Zarr writes it."""
_CODEC = zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")


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


@dataclass(frozen=True)
class WrittenBlock:
    """Hold what completes a block whose data is written.

    Attributes
    ----------
    checksums : mapping of str to Checksum
        Of every object but the group's own metadata, by path from the output.
    metadata : dict
        The group's own, without the mark.
    """

    checksums: Mapping[str, Checksum]
    metadata: dict[str, Any]


def prepare(output: Location, blocks: Iterable[Block]) -> None:
    """Make the groups above the blocks, so that no two tasks do.

    Raises
    ------
    StoreError
        When they cannot be written.
    """
    place = output / ARCHIVE
    for above in (place, *(place / str(band) for band in sorted({block.band for block in blocks}))):
        if (above / _METADATA).read_bytes() != GROUP:
            (above / _METADATA).write_bytes(GROUP)


def write_block(
    output: Location,
    block: Block,
    *,
    events: Sequence[Event],
    waveforms: Sequence[NDArray[np.float32]],
    picture: Picture,
    axes: Axes,
    settings: Mapping[str, Any],
) -> WrittenBlock:
    """Write a block's data. It is no group, and nobody sees it, before `complete_block` has written the rest.

    Parameters
    ----------
    output : Location
        The run's output place.
    block : Block
    events : sequence of Event
        In order of their windows.
    waveforms : sequence of ndarray of float32, each of shape (some events, 3, samples)
        Raw counts, E, N, Z; NaN where nothing was recorded. Together they are of all events, in order.
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
    place = output / ARCHIVE / block.key
    try:
        (place / _METADATA).remove()  # what is half gone never looks complete
        place.remove()
        store = GatheringStore(place.zarr_store(), output.patience, name=str(place))
        group = zarr.create_group(store, zarr_format=3)
        _write_axes(group, axes)
        for name, values in columns_of(events).items():
            _write(group, name, values, ("event",), attributes_of(name, events))
        _write_windows(group, waveforms, len(events), picture, axes)
        group.attrs.put({"station": str(block.band), "month": block.key.split("/")[1], **settings})
    except OSError as error:
        raise error if isinstance(error, StoreError) else place.not_writable(error) from error
    metadata = json.loads(store.kept.pop(_METADATA).to_bytes())
    small = {name: value.to_bytes() for name, value in store.kept.items()}
    place.write_many(small)
    checksums = store.checksums | {name: Checksum.of(data) for name, data in small.items()}
    return WrittenBlock({f"{ARCHIVE}/{block.key}/{name}": c for name, c in checksums.items()}, metadata)


def complete_block(
    output: Location,
    block: Block,
    written: WrittenBlock,
    *,
    mark: Mapping[str, Any],
    beside: Mapping[str, Checksum] | None = None,
) -> None:
    """Mark a block as complete, and with what it was made from. The mark alone means done.

    Parameters
    ----------
    output : Location
    block : Block
    written : WrittenBlock
        From `write_block`.
    mark : mapping
        What the block is made from.
    beside : mapping of str to Checksum, optional
        Of other objects that belong to the block, by path from the output.

    Raises
    ------
    StoreError
        When it cannot be written.
    """
    attributes = written.metadata["attributes"] | {MARK: dict(mark)}
    metadata = _to_json(written.metadata | {"attributes": attributes})
    path = f"{ARCHIVE}/{block.key}/{_METADATA}"
    checksums = {**written.checksums, **(beside or {}), path: Checksum.of(metadata)}
    write_manifest(output, block, checksums)
    (output / path).write_bytes(metadata)


def read_mark(output: Location, block: Block) -> dict[str, Any] | None:
    """Read the mark of a block, or None when it is not complete."""
    data = (output / ARCHIVE / block.key / _METADATA).read_bytes()
    try:
        mark = json.loads(data or b"")["attributes"][MARK]
    except (ValueError, KeyError, TypeError):
        return None
    return dict(mark) if isinstance(mark, Mapping) else None


def read_marks(output: Location, blocks: Iterable[Block]) -> dict[Block, dict[str, Any] | None]:
    """Read the marks of many blocks at once."""
    wanted = list(blocks)
    with ThreadPoolExecutor(READERS) as readers:
        return dict(zip(wanted, readers.map(lambda block: read_mark(output, block), wanted), strict=True))


def open_block(output: Location, block: Block) -> zarr.Group | None:
    """Open a block's group for reading, or give None where there is none that is whole."""
    place = output / ARCHIVE / block.key
    store = PatientStore(place.zarr_store(), output.patience, name=str(place))
    try:
        return zarr.open_group(store, mode="r", zarr_format=3)
    except (FileNotFoundError, ValueError):  # not there, or not whole: a task was killed while it wrote
        return None


def _to_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2).encode()


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


def _write_windows(
    group: zarr.Group, waveforms: Sequence[NDArray[np.float32]], events: int, picture: Picture, axes: Axes
) -> None:
    """Write windows and spectrograms shard by shard: a block need not be held as a whole."""
    windows = _create(
        group,
        "waveform",
        (events, len(COMPONENTS), axes.samples),
        np.dtype(np.float32),
        ("event", "component", "sample"),
        {"units": "count", "long_name": "recorded window, not filtered"},
    )
    picture_shape = (len(axes.frequency), len(axes.time), len(COMPONENTS))
    pictures = _create(
        group,
        "spectrogram",
        (events, *picture_shape),
        np.dtype(np.float16),
        ("event", "frequency", "time", "component"),
        {"units": "1", "long_name": "normalised magnitude of the short-time Fourier transform"},
    )
    for first in range(0, events, SHARD):
        shard = _rows(waveforms, first, min(first + SHARD, events))
        windows[first : first + len(shard)] = shard
        made = np.empty((len(shard), *picture_shape), np.float16)
        for start in range(0, len(shard), CHUNK):
            made[start : start + CHUNK] = picture(shard[start : start + CHUNK])
        pictures[first : first + len(shard)] = made


def _rows(parts: Sequence[NDArray[np.float32]], first: int, last: int) -> NDArray[np.float32]:
    """Give rows of arrays that stand one below the other."""
    ends = np.cumsum([len(part) for part in parts])
    chosen = [
        part[max(first - end + len(part), 0) : last - end + len(part)]
        for part, end in zip(parts, ends, strict=True)
        if end - len(part) < last and end > first
    ]
    return np.concatenate(chosen)


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
