"""Describe each cluster in one row: size, typical hour, class, purity."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.events import numpy_column, to_csv
from couloir.kernels.hours import hour_counts
from couloir.store.location import Location


@dataclass(frozen=True)
class ClusterRow:
    """Hold one cluster's description.

    Attributes
    ----------
    share : float
        Of all events.
    rejected : int
        Of its events, those unlike anything the model knows.
    typical_hour : int or None
        UTC hour around which most of its events fall (over three hours); None when it is empty.
    majority_class, purity, labelled
        Of its labelled events; where there are none the class is what the model calls the cluster, or None.
    """

    cluster: int
    events: int
    share: float
    stations: int
    typical_hour: int | None
    median_duration_s: float | None
    median_snr: float | None
    median_confidence: float | None
    rejected: int
    majority_class: str | None
    purity: float | None
    labelled: int


def typical_hour(times_ns: NDArray[np.int64]) -> int | None:
    """Give the UTC hour whose three hours, itself in the middle, hold most events."""
    if not len(times_ns):
        return None
    hours = hour_counts(times_ns)
    return int(np.argmax(hours + np.roll(hours, 1) + np.roll(hours, -1)))


def describe_cluster(
    table: pa.Table, cluster: int, *, majority_class: str | None, purity: float | None, labelled: int
) -> ClusterRow:
    """Describe one cluster of a catalog."""
    mine = numpy_column(table, "cluster") == cluster

    def middle(name: str) -> float | None:
        values = numpy_column(table, name)[mine]
        return round(float(np.median(values)), 4) if len(values) else None

    sensors = set(zip(*(table[name].filter(mine).to_pylist() for name in ("network", "station")), strict=True))
    return ClusterRow(
        cluster=cluster,
        events=int(mine.sum()),
        share=round(float(mine.mean()), 4) if len(mine) else 0.0,
        stations=len(sensors),
        typical_hour=typical_hour(numpy_column(table, "onset_time")[mine]),
        median_duration_s=middle("duration_s"),
        median_snr=middle("snr"),
        median_confidence=middle("confidence"),
        rejected=int(numpy_column(table, "rejected")[mine].sum()),
        majority_class=majority_class,
        purity=None if purity is None else round(purity, 4),
        labelled=labelled,
    )


def write_clusters(place: Location, rows: list[ClusterRow]) -> None:
    """Write ``clusters.csv``."""
    (place / "clusters.csv").write_bytes(to_csv(pa.Table.from_pylist([asdict(row) for row in rows])))


def read_clusters(place: Location) -> list[ClusterRow]:
    """Read ``clusters.csv``; no rows where there is none."""
    data = (place / "clusters.csv").read_bytes()
    if data is None:
        return []
    import pyarrow.csv as pa_csv

    options = pa_csv.ConvertOptions(
        strings_can_be_null=True,
        null_values=[""],  # a class may be called NA
        column_types={"majority_class": pa.string()},
    )
    rows: list[dict[str, Any]] = pa_csv.read_csv(pa.BufferReader(data), convert_options=options).to_pylist()
    return [ClusterRow(**{field.name: row[field.name] for field in fields(ClusterRow)}) for row in rows]
