"""Catalog: spectrogram archive and model in, tables out."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.clusters import ClusterRow, describe_cluster, write_clusters
from couloir.catalog.coincidence import associate
from couloir.catalog.events import build_table, numpy_column, write_events
from couloir.catalog.latent import write_latent
from couloir.catalog.quakeml import write_quakeml
from couloir.catalog.truth import Matching, read_labels, read_truth
from couloir.config import RunConfig, content_hash
from couloir.identifiers import NS_PER_S
from couloir.stages.assessment import assess, write_assessment
from couloir.stages.card import Card
from couloir.stages.drift import NAME as DESCRIPTION
from couloir.stages.drift import describe_assignment, training_sizes, write_description
from couloir.stages.held import Mark, mark_in_use, read_card
from couloir.stages.marks import all_is_well, begin, complete, is_current
from couloir.stages.naming import judge_names, name_events, write_naming
from couloir.stages.newness import calibration_mark, judge_newness, write_basis
from couloir.stages.seeds import Votes, read_votes
from couloir.stages.settings import detection_hash, output_of, training_hash
from couloir.stages.structure import write_structure
from couloir.stages.train import fetch_model, has_model, in_memory, model_mark, quieten_tensorflow
from couloir.store.events import COLUMNS, UNITS, event_id, network_event_id
from couloir.store.location import Location
from couloir.store.spectrograms import SpectrogramArchive

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment
    from couloir.dec.novelty import Verdict

CATALOG_VERSION = 4
UNKNOWN = "unknown"
"""Class of an event that is rejected: unlike anything the model knows."""
PCA_COMPONENTS = 30


def run_id(config: RunConfig, archive: SpectrogramArchive, model: Mark) -> str:
    """Name the run by its settings, its events and its model; the same on every machine and in every place."""
    chosen = config.archive.model_dump(mode="json", include={"select", "start", "end", "band_priority"})
    made_by = training_hash(config) if model == model_mark(config, archive) else model["model_id"]
    return content_hash(chosen, detection_hash(config), made_by, archive.digest)


def catalog_mark(config: RunConfig, archive: SpectrogramArchive, model: Mark | None = None) -> dict[str, Any]:
    """Say what a catalog is made from; ``assigned`` where its model was not trained on these events."""
    truth = _truth_place(config)
    labels = _labels_place(config)
    texts = [place.read_text() if place else None for place in (truth, labels)]
    own = model_mark(config, archive)
    model = model or mark_in_use(config, own)
    return (
        {
            "version": CATALOG_VERSION,
            "model_id": model["model_id"],
            "run_id": run_id(config, archive, model),
            "catalog": content_hash(config.catalog, *texts),
        }
        | ({} if model == own else {"assigned": model["model_id"]})
        | calibration_mark(config, model)
    )


def catalog(
    config: RunConfig,
    archive: SpectrogramArchive,
    *,
    check: Callable[[], None] = all_is_well,
    model: Mark | None = None,
) -> bool:
    """Assign every event to a cluster and write the catalog, unless it is there already.

    Parameters
    ----------
    config : RunConfig
    archive : SpectrogramArchive
    check : callable, optional
        Called before anything is written; what it raises keeps it from being written.
    model : dict, optional
        The mark of the output's model, to make the catalog with it whatever it was trained on; by default the one
        that the run's events and settings go with.

    Returns
    -------
    bool
        Whether it was written now.

    Raises
    ------
    MissingStageError
        When the run has no model.
    ModelFileError
        When its model takes spectrograms that are made otherwise.
    ConfigError
        When `catalog.truth` or `catalog.labels` cannot be read, or names an event that is not there.
    """
    place = output_of(config) / "catalog"
    own = model_mark(config, archive)
    model = model or mark_in_use(config, own)
    mark = catalog_mark(config, archive, model)
    if is_current(place, mark) and is_current(output_of(config) / "model", model):
        return False
    truth_place = _truth_place(config)
    truth = read_truth(truth_place) if truth_place else []
    labels_place = _labels_place(config)
    by_hand = read_labels(labels_place) if labels_place else None
    quieten_tensorflow()
    from couloir.dec.assign import assign, load_model
    from couloir.dec.drift import ratios_to_training
    from couloir.dec.novelty import load_novelty

    with tempfile.TemporaryDirectory(prefix="couloir-model-") as here:
        files = fetch_model(config, archive, Path(here), mark=model)
        card = read_card(config)
        card.refuse_unlike(config)
        initial = np.load(files["initial_labels.npy"], allow_pickle=False)
        network = load_model(files["dec.keras"])
        novelty = None if card.imported else load_novelty(files["novelty.npz"])
        sizes = training_sizes(files["metrics.json"].read_text())
    samples = in_memory(archive)
    assignment = assign(network, samples)
    ratios = None if card.imported else ratios_to_training(network, assignment)
    assignment, verdict, basis = judge_newness(config, archive, card, network, assignment, novelty)
    votes = read_votes(config, output_of(config) / "model") if model == own else None
    table = build_table(_columns(config, archive, assignment, mark, verdict, votes))
    matching = Matching(table, truth, window_ns=round(config.detect.window_s * NS_PER_S)) if truth else None
    labels = matching.labels if matching else [None] * len(table)
    given = name_events(table, *by_hand, window_s=config.detect.window_s) if by_hand else labels
    classes, rows = _classify(card, table, given)
    known = [theirs or ours for theirs, ours in zip(labels, given, strict=True)]
    table = _replace(_replace(table, "label", known), "class", classes)
    naming = judge_names(config, card.clusters, given, assignment.cluster, verdict.rejected)

    folder = begin(place, check)
    write_clusters(folder, rows)
    write_structure(folder, assignment, card.clusters)
    write_events(folder, table)
    write_latent(folder, table, assignment.latent, assignment.q)
    if matching:
        methods = {
            "DEC": assignment.cluster,
            **({"k-means on autoencoder": initial} if model == own else {}),
            "k-means on PCA": _pca_labels(config, samples, card.clusters),
        }
        write_assessment(folder, assess(labels, classes, methods, matching))
    else:
        (place / "assessment.json").remove()
    if model == own:
        (place / DESCRIPTION).remove()
    else:
        described = describe_assignment(
            card,
            model["model_id"],
            assignment,
            onset_ns=archive.column("onset_time"),
            training_sizes=sizes,
            ratios=ratios,
        )
        write_description(folder, described)
    write_naming(folder, naming)
    write_basis(folder, basis)
    if config.catalog.quakeml:
        write_quakeml(folder, table)
    else:
        (place / "catalog.xml").remove()
    complete(folder, mark)
    return True


def has_catalog(config: RunConfig, archive: SpectrogramArchive) -> bool:
    """Say whether the output holds the catalog of these settings, and the model that it is made with."""
    current = is_current(output_of(config) / "catalog", catalog_mark(config, archive))
    return current and has_model(config, archive)


def _truth_place(config: RunConfig) -> Location | None:
    return Location(config.catalog.truth, config.archive.storage_options) if config.catalog.truth else None


def _labels_place(config: RunConfig) -> Location | None:
    return Location(config.catalog.labels, config.archive.storage_options) if config.catalog.labels else None


def _columns(
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


def _classify(
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


def _pca_labels(config: RunConfig, samples: Any, clusters: int) -> NDArray[np.int32]:
    from couloir.dec.assess import pca_kmeans

    components = min(PCA_COMPONENTS, len(samples))
    return pca_kmeans(samples, components=components, clusters=clusters, seed=config.train.seed)


def _replace(table: pa.Table, name: str, values: Sequence[str | None]) -> pa.Table:
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(name), pa.array(values, table.schema.field(name).type))
