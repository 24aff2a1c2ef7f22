"""Lay out the catalog of events and write it: Parquet by network, station and year, and one CSV."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from couloir.errors import MissingStageError
from couloir.store.location import Location

_ORDER = ("start_time", "network", "station", "location", "band_instrument")
UTC_NS = pa.timestamp("ns", tz="UTC")
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("network", pa.string()),
        ("station", pa.string()),
        ("location", pa.string()),
        ("band_instrument", pa.string()),
        ("start_time", UTC_NS),
        ("onset_time", UTC_NS),
        ("peak_time", UTC_NS),
        ("end_time", UTC_NS),
        ("duration_s", pa.float64()),
        ("window", pa.int32()),
        ("peak_amplitude", pa.float32()),
        ("median", pa.float32()),
        ("mad", pa.float32()),
        ("snr", pa.float32()),
        ("coverage", pa.float32()),
        ("band_low", pa.float32()),
        ("band_high", pa.float32()),
        ("unit", pa.string()),
        ("network_event_id", pa.string()),
        ("stations", pa.int32()),
        ("cluster", pa.int32()),
        ("confidence", pa.float32()),
        ("margin", pa.float32()),
        ("novelty", pa.float32()),
        ("novelty_p", pa.float32()),
        ("rejected", pa.bool_()),
        ("consensus", pa.int32()),
        ("agreement", pa.float32()),
        ("class", pa.string()),
        ("label", pa.string()),
        ("model_id", pa.string()),
        ("run_id", pa.string()),
    ]
)
"""Columns of the catalog. `class` is the cluster's, from its events' labels or the model, or `unknown` for one
that is rejected; `label` the event's own."""


def build_table(columns: Mapping[str, Any]) -> pa.Table:
    """Build the catalog's table from one sequence a column, all in the same order."""
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, schema=SCHEMA)


def in_order(table: pa.Table) -> pa.Table:
    """Sort a catalog by its windows' starts, and by sensor where they are the same."""
    return table.sort_by([(name, "ascending") for name in _ORDER])


def write_events(place: Location, table: pa.Table) -> None:
    """Write the table, sorted, as ``events/NET/STA/YEAR.parquet`` and ``events.csv``, in place of what was there.

    The folders are not of the ``name=value`` kind: readers would turn a station named 0012 into a number. Every
    column stands in the files.
    """
    (place / "events").remove()
    table = in_order(table)
    years = pc.year(table["start_time"])
    keys = pa.table([table["network"], table["station"], years], names=["network", "station", "year"])
    for part in keys.group_by(["network", "station", "year"]).aggregate([]).to_pylist():
        mine = pc.and_(
            pc.and_(pc.equal(table["network"], part["network"]), pc.equal(table["station"], part["station"])),
            pc.equal(years, part["year"]),
        )
        sink = io.BytesIO()
        pq.write_table(table.filter(mine), sink, compression="zstd")
        name = f"events/{part['network'] or '--'}/{part['station']}/{part['year']:04d}.parquet"
        (place / name).write_bytes(sink.getvalue())
    if not len(table):
        sink = io.BytesIO()
        pq.write_table(table, sink)
        (place / "events" / "none.parquet").write_bytes(sink.getvalue())
    (place / "events.csv").write_bytes(to_csv(table))


def read_events(place: Location) -> pa.Table:
    """Read the table back from its Parquet files.

    Raises
    ------
    MissingStageError
        When there is no catalog.
    """
    folder = place / "events"
    data = [(folder / name).read_bytes() for name in sorted(folder.walk())]
    if not data:
        raise MissingStageError(f"{place} holds no catalog. Run `couloir catalog` first.")
    return in_order(pa.concat_tables([pq.read_table(io.BytesIO(part or b""), schema=SCHEMA) for part in data]))


def to_csv(table: pa.Table) -> bytes:
    """Write a table as CSV; times as ISO 8601 with microseconds and Z."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_timestamp(field.type):
            micro = pc.cast(column, pa.timestamp("us", tz="UTC"), safe=False)
            columns.append(pc.strftime(micro, format="%Y-%m-%dT%H:%M:%SZ"))
        elif pa.types.is_float32(field.type):
            columns.append(pa.array([None if v is None else float(f"{v:.6g}") for v in column.to_pylist()]))
        else:
            columns.append(column)
    sink = io.BytesIO()
    options = pa_csv.WriteOptions(quoting_style="needed")
    pa_csv.write_csv(pa.table(columns, names=table.column_names), sink, options)
    return sink.getvalue()


def numpy_column(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    """Give a column as a NumPy array; times as int64 ns."""
    column = table[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    array: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
    return array
