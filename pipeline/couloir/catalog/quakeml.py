"""Write the catalog as QuakeML: a pick is a trigger's onset, an event what its picks have in common."""

import io
from collections.abc import Sequence
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
    """Write ``catalog.xml``: one event a trigger, or a network event, with one pick a trigger.

    Windows that continue a trigger are left out: they have no onset of their own.
    """
    onsets = numpy_column(table, "onset_time").tolist()
    columns = ["event_id", "network_event_id", *_CODES, "window", "cluster", "confidence", "class"]
    gathered: dict[str, list[tuple[dict[str, Any], int]]] = {}
    for row, onset in zip(table.select(columns).to_pylist(), onsets, strict=True):
        if row["window"] == 0:
            gathered.setdefault(row["network_event_id"] or row["event_id"], []).append((row, onset))
    events = [_event(name, members) for name, members in gathered.items()]
    sink = io.BytesIO()
    Catalog(events, resource_id=ResourceIdentifier("smi:couloir/catalog")).write(sink, format="QUAKEML")
    (place / "catalog.xml").write_bytes(sink.getvalue())


def _event(name: str, members: Sequence[tuple[dict[str, Any], int]]) -> Event:
    return Event(
        resource_id=ResourceIdentifier(f"smi:couloir/{name}"),
        picks=[_pick(row, onset) for row, onset in members],
        comments=[_comment(row) for row, _ in members],
    )


def _pick(row: dict[str, Any], onset_ns: int) -> Pick:
    waveform = WaveformStreamID(
        network_code=row["network"],
        station_code=row["station"],
        location_code=row["location"],
        channel_code=f"{row['band_instrument']}Z",
    )
    return Pick(
        resource_id=ResourceIdentifier(f"smi:couloir/{row['event_id']}/pick"),
        time=obspy.UTCDateTime(ns=onset_ns),
        time_errors=QuantityError(uncertainty=_ONSET_ERROR_S),
        waveform_id=waveform,
        evaluation_mode="automatic",
        method_id=ResourceIdentifier("smi:couloir/mad"),
    )


def _comment(row: dict[str, Any]) -> Comment:
    text = f"{row['event_id']}: cluster {row['cluster']}, confidence {row['confidence']:.3f}"
    if row["class"]:
        text += f", class {row['class']}"
    return Comment(text=text, resource_id=ResourceIdentifier(f"smi:couloir/{row['event_id']}/cluster"))
