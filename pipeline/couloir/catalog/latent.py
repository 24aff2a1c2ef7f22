"""Keep each event's place in the latent space beside the catalog."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from couloir.store.location import Location

_NAME = "latent.parquet"


def write_latent(
    place: Location, table: pa.Table, latent: NDArray[np.float32], assignment: NDArray[np.float32]
) -> None:
    """Write ``latent.parquet``: event_id, latent vector and soft assignment, in the order of the archive.

    Parameters
    ----------
    table : pyarrow.Table
        The catalog, in the order of the archive.
    latent : ndarray of float32, shape (events, latent)
    assignment : ndarray of float32, shape (events, clusters)
        Soft assignment q.
    """
    held = pa.table({"event_id": table["event_id"], "latent": _vectors(latent), "q": _vectors(assignment)})
    sink = io.BytesIO()
    pq.write_table(held, sink, compression="zstd")
    (place / _NAME).write_bytes(sink.getvalue())


def read_latent(place: Location) -> dict[str, NDArray[np.float32]]:
    """Read the latent vectors by event_id; nothing where there are none."""
    data = (place / _NAME).read_bytes()
    if data is None:
        return {}
    held = pq.read_table(pa.BufferReader(data))
    width = held.schema.field("latent").type.list_size
    vectors = held["latent"].combine_chunks().flatten().to_numpy().reshape(-1, width)
    return dict(zip(held["event_id"].to_pylist(), vectors, strict=True))


def _vectors(values: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
