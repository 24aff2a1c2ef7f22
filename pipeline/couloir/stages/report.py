"""Report: archive, model and catalog in, one HTML page out."""

import csv
import io
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir import __version__
from couloir.catalog.clusters import ClusterRow, read_clusters
from couloir.catalog.events import numpy_column, read_events
from couloir.catalog.truth import VISIBLE_SNR
from couloir.config import RunConfig
from couloir.errors import MissingStageError
from couloir.report import (
    ClusterView,
    DayOutcome,
    DetectionRow,
    MergeView,
    NamingRow,
    ReportData,
    ScoreRow,
    StabilityView,
    render,
)
from couloir.stages.assessment import read_assessment
from couloir.stages.catalog import catalog_mark, has_catalog
from couloir.stages.comparison import find_selection
from couloir.stages.drift import read_sentence
from couloir.stages.held import held_mark, is_imported, read_card
from couloir.stages.marks import all_is_well, begin, complete, is_current
from couloir.stages.naming import naming_in_words, read_naming
from couloir.stages.newness import newness_in_words, read_basis
from couloir.stages.run import TOLD
from couloir.stages.seeds import read_stability
from couloir.stages.settings import detection_hash, output_of, training_hash
from couloir.stages.structure import read_structure
from couloir.stages.views import bands_of, lay_out, show_clusters
from couloir.store.documents import read_document
from couloir.store.location import Location
from couloir.store.outcomes import Outcome
from couloir.store.spectrograms import SpectrogramArchive

_LABELS = {
    "boxcox": "standardised Box-Cox magnitude",
    "log": "standardised log magnitude",
    "minmax": "magnitude, scaled to 0..1",
    "none": "magnitude, counts",
}


def report_mark(config: RunConfig, archive: SpectrogramArchive) -> dict[str, Any]:
    """Say what a report is made from."""
    return catalog_mark(config, archive) | {"report": __version__}


def report(
    config: RunConfig,
    archive: SpectrogramArchive,
    outcomes: Sequence[Outcome],
    *,
    check: Callable[[], None] = all_is_well,
) -> bool:
    """Write the report, unless it is there already.

    Parameters
    ----------
    config : RunConfig
    archive : SpectrogramArchive
    outcomes : sequence of Outcome
        What became of every station-day.
    check : callable, optional
        Called before anything is written; what it raises keeps it from being written.

    Returns
    -------
    bool
        Whether it was written now.

    Raises
    ------
    MissingStageError
        When the run has no catalog, or one of other settings.
    """
    output = output_of(config)
    place = output / "report"
    mark = report_mark(config, archive)
    if not has_catalog(config, archive):
        raise MissingStageError(
            f"{output / 'catalog'} is missing or of other settings. Run `couloir catalog` first."
        )
    if is_current(place, mark):
        return False
    folder = begin(place, check)
    (folder / "index.html").write_text(render(_gather(config, archive, outcomes)))
    complete(folder, mark)
    return True


def _gather(config: RunConfig, archive: SpectrogramArchive, outcomes: Sequence[Outcome]) -> ReportData:
    output = output_of(config)
    table = read_events(output / "catalog")
    rows = read_clusters(output / "catalog")
    stations = sorted({str(outcome.station_day.band) for outcome in outcomes})
    shown, plane = lay_out(config, table)
    cluster = numpy_column(table, "cluster")
    views = show_clusters(archive, table, rows)
    assessment, naming = read_assessment(output / "catalog"), read_naming(output / "catalog")
    structure = read_structure(output / "catalog")
    return ReportData(
        title=f"Events at {_places(stations)}",
        facts=(*_facts(config, outcomes), *_rejected(output / "catalog", table)),
        sampling_rate=config.detect.sampling_rate,
        window_s=config.detect.window_s,
        before_onset_s=config.detect.before_onset_s,
        cluster=cluster,
        onset_ns=numpy_column(table, "onset_time"),
        confidence=numpy_column(table, "confidence"),
        snr=numpy_column(table, "snr"),
        station_index=np.array([stations.index(name) for name in bands_of(table)], np.int32),
        stations=tuple(stations),
        clusters=views,
        latent_map=plane,
        latent_cluster=cluster[shown],
        training=_training_log(output / "model" / "log.csv"),
        outcomes=tuple(
            DayOutcome(str(o.station_day.band), o.station_day.day, o.status, o.events, o.reason) for o in outcomes
        ),
        scores=tuple(
            ScoreRow(m.method, m.purity, m.nmi, m.ari, m.hungarian_accuracy)
            for m in (assessment.methods if assessment else ())
        ),
        detection=tuple(
            DetectionRow(d.name, d.truth, d.detected, d.recall, d.precision)
            for d in (assessment.detection if assessment else ())
        ),
        naming=tuple(NamingRow(**vars(row)) for row in (naming.classes if naming else ())),
        naming_note=naming_in_words(naming) if naming else "",
        confusion=(assessment.classes, _confusion(assessment.confusion, rows)) if assessment else None,
        warnings=(
            *_training_warnings(output / "model" / "metrics.json"),
            *_choice_warning(config, scored=assessment is not None),
        ),
        spectrogram_label=_LABELS[config.spectrogram.transform],
        spectrogram_range=_colour_range(config, views),
        tolerance=config.train.tolerance,
        merges=tuple(
            MergeView(m.left, m.right, m.node, m.height) for m in (structure.merges if structure else ())
        ),
        leaves=structure.leaves if structure else (),
        stability=_stability(output / "model"),
    )


def _bands_in_words(bands: Sequence[tuple[float, float]]) -> str:
    return " and ".join(f"{low:g} to {high:g} Hz" for low, high in bands)


def _confusion(counts: Sequence[Sequence[int]], rows: list[ClusterRow]) -> NDArray[np.int64]:
    """Widen the counts to a column for each cluster, those without labelled events included."""
    wide = np.zeros((len(counts), len(rows)), np.int64)
    for number, row in enumerate(counts):
        wide[number, : len(row)] = row
    return wide


def _stability(place: Location) -> StabilityView | None:
    held = read_stability(place)
    if held is None:
        return None
    return StabilityView(
        seeds=tuple(held["seeds"]),
        model_seed=held["model_seed"],
        ari=tuple(map(tuple, held["ari"])),
        matched=tuple(map(tuple, held["matched_accuracy"])),
        mean_ari=held["mean_ari"],
        mean_matched=held["mean_matched_accuracy"],
        unanimous=held["unanimous"],
        by_cluster=tuple(held["agreement_by_cluster"]),
    )


def _training_log(place: Location) -> dict[str, NDArray[Any]]:
    text = place.read_text()
    if not text:
        return {}
    rows = list(csv.DictReader(io.StringIO(text)))
    names = rows[0].keys() if rows else ()
    return {
        name: np.array([row[name] for row in rows])
        if name == "phase"
        else np.array([float(row[name]) if row[name] else np.nan for row in rows])
        for name in names
    }


def _colour_range(config: RunConfig, views: tuple[ClusterView, ...]) -> tuple[float, float]:
    """Choose the ends of the colour scale by what the spectrograms' values are."""
    if config.spectrogram.transform in ("boxcox", "log"):
        return -2.0, 3.0
    if config.spectrogram.transform == "minmax" or not views:
        return 0.0, 1.0
    return 0.0, max(float(np.percentile([view.mean_spectrogram for view in views], 99)), 1e-6)


def _training_warnings(place: Location) -> tuple[str, ...]:
    remedy = "Remove it and run `couloir train` again, or `couloir model import` where the model is imported."

    def build(held: dict[str, Any]) -> tuple[str, ...]:
        collapse = (f"The clustering collapsed: {what}." for what in held.get("collapse", ()))
        return (*collapse, *(f"{note[0].upper()}{note[1:]}." for note in held.get("notes", ())))

    return read_document(place, build, remedy=remedy) or ()


def _choice_warning(config: RunConfig, *, scored: bool) -> tuple[str, ...]:
    """Say that labels may have chosen the number of clusters that they now score."""
    if not scored or is_imported(held_mark(config)):
        return ()
    selection = find_selection(output_of(config))
    chosen = config.train.clusters
    if selection is None or selection.recommended == chosen or selection.rows[0].tuning_ari is None:
        return ()
    told = (
        f"There are {chosen} clusters, where --select-k recommends {selection.recommended} without labels, and "
        "shows how each number agrees with half of the labels: if that made the choice, the scores below are "
        "flattered."
    )
    return (told,)


def _rejected(place: Location, table: pa.Table) -> tuple[tuple[str, str], ...]:
    basis = read_basis(place)
    if basis is None:
        return ()
    return (("Rejected", newness_in_words(basis, int(numpy_column(table, "rejected").sum()), len(table))),)


def _places(stations: Sequence[str]) -> str:
    names = sorted({name.split(".")[1] for name in stations})
    return ", ".join(names) if len(names) <= 6 else f"{len(names)} stations"


def _model_in_words(config: RunConfig) -> str | None:
    """Say where a model comes from that was not trained on the run's events, and how they compare."""
    told = read_sentence(output_of(config) / "catalog")
    return None if told is None else f"none on these events; model {read_card(config).origin}. {told}"


def _seeds_in_words(config: RunConfig) -> str:
    """Say which seeds were trained, and which of them gave the model."""
    stability = read_stability(output_of(config) / "model")
    if stability is None:
        return f"seed {config.train.seed}"
    return f"seeds {', '.join(map(str, stability['seeds']))}, of which {stability['model_seed']} gave the model"


def _facts(config: RunConfig, outcomes: Sequence[Outcome]) -> tuple[tuple[str, str], ...]:
    archive, detect, train = config.archive, config.detect, config.train
    read = sum(outcome.read_bytes for outcome in outcomes)
    hours = sum(outcome.valid_s for outcome in outcomes) / 3600
    truth = f"{config.catalog.truth} (recall over intervals of snr {VISIBLE_SNR:g} or more)"
    shape = f"{config.spectrogram.frequencies} x {config.spectrogram.times} x 3"
    facts = {
        "Archive": archive.url,
        "Selection": ", ".join(archive.select),
        "Period": f"{archive.start} to {archive.end} (exclusive), UTC",
        "Recordings": f"{len(outcomes)} station-days, {hours:,.0f} valid hours, {read / 1e6:,.0f} MB read",
        "Detection": f"{detect.envelope} envelope, {_bands_in_words(detect.bands)}, "
        f"on at median + {detect.on_factor:g} MAD, off at median + {detect.off_factor:g} MAD",
        "Spectrograms": f"{shape}, {config.spectrogram.transform}",
        "Training": _model_in_words(config)
        or f"preset {config.preset}, {train.clusters} clusters, {train.epochs} epochs, {_seeds_in_words(config)}",
        "Truth": truth if config.catalog.truth else "none given (catalog.truth)",
        "Settings": f"detection {detection_hash(config)}, training {training_hash(config)}",
        "Versions": ", ".join(f"{name} {version(name)}" for name in TOLD),
    }
    return tuple(facts.items())
