"""Catalog: spectrogram archive and model in, tables out."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.clusters import ClusterRow, write_clusters
from couloir.catalog.events import build_table, write_events
from couloir.catalog.latent import write_latent
from couloir.catalog.quakeml import write_quakeml
from couloir.catalog.truth import Interval, Matching, read_labels, read_truth
from couloir.config import RunConfig, content_hash
from couloir.identifiers import NS_PER_S
from couloir.stages.answers import Answers, HeldModel, load_held
from couloir.stages.assessment import assess, write_assessment
from couloir.stages.drift import NAME as DESCRIPTION
from couloir.stages.drift import describe_assignment, write_description
from couloir.stages.held import Mark, mark_in_use
from couloir.stages.marks import StagePlace, all_is_well, begin, complete, is_current
from couloir.stages.naming import judge_names, name_events, tell_unmet, write_naming
from couloir.stages.newness import calibration_of, write_basis
from couloir.stages.rows import classify, columns, fill
from couloir.stages.seeds import read_votes
from couloir.stages.settings import detection_hash, output_of, training_hash
from couloir.stages.structure import write_structure
from couloir.stages.train import has_model, in_memory, model_mark
from couloir.store.location import Location
from couloir.store.spectrograms import SpectrogramArchive
from couloir.store.tables import read_user_text

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment
    from couloir.dec.samples import Samples

CATALOG_VERSION = 5
PCA_COMPONENTS = 30


def run_id(config: RunConfig, archive: SpectrogramArchive, model: Mark) -> str:
    """Name the run by its settings, its events, its model and how that is calibrated; the same in every place."""
    chosen = config.archive.model_dump(mode="json", include={"select", "start", "end", "band_priority"})
    made_by = training_hash(config) if model == model_mark(config, archive) else model["model_id"]
    calibration = calibration_of(config, model)
    return content_hash(chosen, detection_hash(config), made_by, archive.digest, *calibration)


def catalog_mark(config: RunConfig, archive: SpectrogramArchive, model: Mark | None = None) -> dict[str, Any]:
    """Say what a catalog is made from; ``assigned`` where its model was not trained on these events."""
    given = {"catalog.truth": _truth_place(config), "catalog.labels": _labels_place(config)}
    texts = [place and read_user_text(place, setting=setting) for setting, place in given.items()]
    own = model_mark(config, archive)
    model = model or mark_in_use(config, own)
    return {
        "version": CATALOG_VERSION,
        "model_id": model["model_id"],
        "run_id": run_id(config, archive, model),
        "catalog": content_hash(config.catalog, *texts),
    } | ({} if model == own else {"assigned": model["model_id"]})


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
    model = model or mark_in_use(config, model_mark(config, archive))
    mark = catalog_mark(config, archive, model)
    if is_current(place, mark) and is_current(output_of(config) / "model", model):
        return False
    truth, by_hand = _read_labels(config)
    held = load_held(config, archive, model)
    samples = in_memory(archive)
    answers = held.ask(config, archive, samples)
    votes = read_votes(config, output_of(config) / "model") if held.trained_here else None
    table = build_table(columns(config, archive, answers.assignment, mark, answers.verdict, votes))
    matching = Matching(table, truth, window_ns=round(config.detect.window_s * NS_PER_S)) if truth else None
    if matching:  # what is too weak to be found is no mistake, unless it is all
        tell_unmet("catalog.truth", matching, of=len(truth), allowed=len(truth) - 1)
    labels = matching.labels if matching else [None] * len(table)
    given = name_events(table, *by_hand, window_s=config.detect.window_s) if by_hand else labels
    classes, rows = classify(held.card, table, given)
    known = [theirs or ours for theirs, ours in zip(labels, given, strict=True)]
    table = fill(fill(table, "label", known), "class", classes)
    naming = judge_names(
        config,
        held.card.clusters,
        given,
        answers.assignment.cluster,
        answers.verdict.rejected,
        onset_ns=archive.column("onset_time"),
    )

    folder = begin(place, check)
    _write_tables(config, folder, table, rows, answers.assignment)
    _write_scores(config, folder, samples, held, answers.assignment, matching, classes)
    _write_drift(folder, archive, held, answers)
    write_naming(folder, naming)
    write_basis(folder, answers.basis)
    complete(folder, mark)
    return True


def has_catalog(config: RunConfig, archive: SpectrogramArchive) -> bool:
    """Say whether the output holds the catalog of these settings, and the model that it is made with."""
    current = is_current(output_of(config) / "catalog", catalog_mark(config, archive))
    return current and has_model(config, archive)


def _read_labels(
    config: RunConfig,
) -> tuple[Sequence[Interval], tuple[Mapping[str, str], Sequence[Interval]] | None]:
    """Read the labels of ``catalog.truth`` and those of ``catalog.labels``; none where they are not given."""
    truth, by_hand = _truth_place(config), _labels_place(config)
    return read_truth(truth) if truth else [], read_labels(by_hand) if by_hand else None


def _write_tables(
    config: RunConfig, folder: StagePlace, table: pa.Table, rows: list[ClusterRow], assignment: "Assignment"
) -> None:
    """Write events, clusters, how these nest, and latent vectors."""
    write_clusters(folder, rows)
    write_structure(folder, assignment, len(rows))
    write_events(folder, table)
    write_latent(folder, table, assignment.latent, assignment.q)
    if config.catalog.quakeml:
        write_quakeml(folder, table)
    else:
        (folder / "catalog.xml").remove()


def _write_scores(
    config: RunConfig,
    folder: StagePlace,
    samples: "Samples",
    held: HeldModel,
    assignment: "Assignment",
    matching: Matching | None,
    classes: Sequence[str | None],
) -> None:
    """Score clusters and detection against the truth, beside what needs no DEC; nothing without a truth."""
    if matching is None:
        (folder / "assessment.json").remove()
        return
    methods = {
        "DEC": assignment.cluster,
        **({"k-means on autoencoder": held.initial} if held.trained_here else {}),
        "k-means on PCA": _pca_labels(config, samples, held.card.clusters),
    }
    write_assessment(folder, assess(matching.labels, classes, methods, matching))


def _write_drift(folder: StagePlace, archive: SpectrogramArchive, held: HeldModel, answers: Answers) -> None:
    """Say how the events compare with those of the training; nothing where they are the same."""
    if held.trained_here:
        (folder / DESCRIPTION).remove()
        return
    described = describe_assignment(
        held.card,
        held.model_id,
        answers.assignment,
        score=answers.verdict.score,
        onset_ns=archive.column("onset_time"),
        training_sizes=held.training_sizes,
        ratios=answers.ratios,
    )
    write_description(folder, described)


def _truth_place(config: RunConfig) -> Location | None:
    return Location(config.catalog.truth, config.archive.storage_options) if config.catalog.truth else None


def _labels_place(config: RunConfig) -> Location | None:
    return Location(config.catalog.labels, config.archive.storage_options) if config.catalog.labels else None


def _pca_labels(config: RunConfig, samples: Any, clusters: int) -> NDArray[np.int32]:
    from couloir.dec.assess import pca_kmeans

    components = min(PCA_COMPONENTS, len(samples))
    return pca_kmeans(samples, components=components, clusters=clusters, seed=config.train.seed)
