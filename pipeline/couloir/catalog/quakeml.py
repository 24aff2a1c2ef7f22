"""Write the catalog as QuakeML: one event a window, with one pick, its onset."""

import io
from typing import Any

import obspy
import pyarrow as pa
from obspy.core.event import (
    Catalog,
    Comment,
    Event,
    Pick,
    QuantityError,
    ResourceIdentifier,
    WaveformStreamID,
)

from couloir.catalog.events import numpy_column
from couloir.store.location import Location

_CODES = ("network", "station", "location", "band_instrument")
_ONSET_ERROR_S = 0.5


def write_quakeml(place: Location, table: pa.Table) -> None:
    """Write ``catalog.xml``. Windows that continue a trigger are left out: they have no onset of their own."""
    onsets = numpy_column(table, "onset_time").tolist()
    rows = table.select(["event_id", *_CODES, "window", "cluster", "confidence", "class"]).to_pylist()
    events = [_event(row, onset) for row, onset in zip(rows, onsets, strict=True) if row["window"] == 0]
    sink = io.BytesIO()
    Catalog(events, resource_id=ResourceIdentifier("smi:couloir/catalog")).write(sink, format="QUAKEML")
    (place / "catalog.xml").write_bytes(sink.getvalue())


def _event(row: dict[str, Any], onset_ns: int) -> Event:
    name = f"smi:couloir/{row['event_id']}"
    waveform = WaveformStreamID(
        network_code=row["network"],
        station_code=row["station"],
        location_code=row["location"],
        channel_code=f"{row['band_instrument']}Z",
    )
    pick = Pick(
        resource_id=ResourceIdentifier(f"{name}/pick"),
        time=obspy.UTCDateTime(ns=onset_ns),
        time_errors=QuantityError(uncertainty=_ONSET_ERROR_S),
        waveform_id=waveform,
        evaluation_mode="automatic",
        method_id=ResourceIdentifier("smi:couloir/mad"),
    )
    text = f"cluster {row['cluster']}, confidence {row['confidence']:.3f}"
    if row["class"]:
        text += f", class {row['class']}"
    comment = Comment(text=text, resource_id=ResourceIdentifier(f"{name}/cluster"))
    return Event(resource_id=ResourceIdentifier(name), picks=[pick], comments=[comment])
