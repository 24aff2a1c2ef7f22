"""Build the catalog's rows: columns in the order of the archive, and classes of clusters and events."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.classes import UNKNOWN
from couloir.catalog.clusters import ClusterRow, describe_cluster
from couloir.catalog.coincidence import associate
from couloir.catalog.events import numpy_column
from couloir.config import RunConfig
from couloir.identifiers import NS_PER_S
from couloir.stages.card import Card
from couloir.stages.seeds import Votes
from couloir.store.events import COLUMNS, UNITS, event_id, network_event_id
from couloir.store.spectrograms import SpectrogramArchive

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment
    from couloir.dec.novelty import Verdict


def columns(
    config: RunConfig,
    archive: SpectrogramArchive,
    assignment: "Assignment",
    mark: dict[str, Any],
    verdict: "Verdict",
    votes: Votes | None,
) -> dict[str, Any]:
    """Gather the catalog's columns in the order of the archive; labels and classes are still to come."""
    bands = [archive.blocks[number].band for number in archive.block_numbers()]
    stored = {name: archive.column(name) for name in COLUMNS}
    n = len(archive)
    stations = [f"{band.network}.{band.station}" for band in bands]
    return stored | {
        "event_id": [event_id(band, start) for band, start in zip(bands, stored["start_time"], strict=True)],
        "network": [band.network for band in bands],
        "station": [band.station for band in bands],
        "location": [band.location for band in bands],
        "band_instrument": [band.band_instrument for band in bands],
        "duration_s": (stored["end_time"] - stored["onset_time"]) / NS_PER_S,
        "cluster": assignment.cluster,
        "confidence": assignment.confidence,
        "margin": assignment.margin,
        "novelty": verdict.score,
        "novelty_p": [None] * n if np.isnan(verdict.p).any() else verdict.p,
        "rejected": verdict.rejected,
        "consensus": votes.consensus if votes else [None] * n,
        "agreement": votes.agreement if votes else [None] * n,
        "unit": [UNITS[number] for number in stored["unit"]],
        **_network_events(config, stored["onset_time"], stations),
        "class": [None] * n,
        "label": [None] * n,
        "model_id": [mark["model_id"]] * n,
        "run_id": [mark["run_id"]] * n,
    }


def _network_events(config: RunConfig, onsets: NDArray[np.int64], stations: Sequence[str]) -> dict[str, Any]:
    """Name the network event of each window, and count its stations; None where there is none."""
    at_least = config.catalog.coincidence_stations
    ids: list[str | None] = [None] * len(onsets)
    counts: list[int | None] = [None] * len(onsets)
    if at_least is not None:
        _, index = np.unique(np.array(stations, np.str_), return_inverse=True)
        within = round(config.catalog.coincidence_s * NS_PER_S)
        numbers = associate(onsets, index, at_least=at_least, within=within)
        order = np.argsort(numbers, kind="stable")
        held = order[np.searchsorted(numbers[order], 0) :]
        for members in np.split(held, np.flatnonzero(np.diff(numbers[held])) + 1) if len(held) else ():
            name, count = network_event_id(int(onsets[members].min())), len(np.unique(index[members]))
            for member in members:
                ids[member], counts[member] = name, count
    return {"network_event_id": ids, "stations": counts}


def classify(
    card: Card, table: pa.Table, labels: Sequence[str | None]
) -> tuple[list[str | None], list[ClusterRow]]:
    """Give each event the class of its cluster, if it is not rejected, and describe the clusters.

    A cluster's class is the most frequent label of its events; without labels it is what the model calls it.
    """
    from couloir.dec.assess import majority_classes

    clusters = numpy_column(table, "cluster")
    majority = majority_classes(labels, clusters, card.clusters)
    names = [row.name if row.n_labelled else card.names.get(row.cluster) for row in majority]
    rows = [
        describe_cluster(
            table,
            row.cluster,
            majority_class=names[row.cluster],
            purity=row.purity if row.n_labelled else None,
            labelled=row.n_labelled,
        )
        for row in majority
    ]
    rejected = numpy_column(table, "rejected")
    classes = [UNKNOWN if out else names[cluster] for cluster, out in zip(clusters, rejected, strict=True)]
    return classes, rows


def fill(table: pa.Table, name: str, values: Sequence[str | None]) -> pa.Table:
    """Fill in a column that is still empty."""
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(name), pa.array(values, table.schema.field(name).type))
