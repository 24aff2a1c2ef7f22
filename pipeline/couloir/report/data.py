"""Hold everything that the report shows: values and arrays, nothing read from a place."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

STATUSES = ("ok", "empty", "flat", "too_gappy", "unreadable", "failed")
"""What can become of a station-day, from best to worst."""


@dataclass(frozen=True, eq=False)
class TypicalEvent:
    """Show one event as an example of its cluster.

    Parameters
    ----------
    event_id
        The catalog's name of the event.
    station
        ``NET.STA.LOC.BI``.
    onset_ns
        Onset, ns since the epoch (UTC).
    confidence
        Soft assignment to its cluster, 0..1.
    snr
        Peak of the envelope over its median.
    waveform
        (3, samples) float32, counts; E, N, Z; NaN where nothing was recorded.
    spectrogram
        (frequencies, times, 3); a plane of zeros or NaN is a component without a record.
    """

    event_id: str
    station: str
    onset_ns: int
    confidence: float
    snr: float
    waveform: NDArray[np.floating[Any]]
    spectrogram: NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class ClusterView:
    """Show one cluster.

    Parameters
    ----------
    cluster
        The raw cluster id.
    events
        Events in it.
    majority_class, purity
        The most frequent class among its labelled events and that class's share, 0..1. Without labels the class is
        what the model calls the cluster, or None.
    labelled
        Events in it that have a class.
    mean_spectrogram
        (frequencies, times, 3) float32, mean over the cluster's events.
    typical
        Its most typical events, the most typical first.
    """

    cluster: int
    events: int
    majority_class: str | None
    purity: float | None
    labelled: int
    mean_spectrogram: NDArray[np.floating[Any]]
    typical: tuple[TypicalEvent, ...] = ()


@dataclass(frozen=True)
class DayOutcome:
    """Say what became of one station-day; ``status`` is one of :data:`STATUSES`."""

    station: str
    day: dt.date
    status: str
    events: int
    reason: str


@dataclass(frozen=True)
class MergeView:
    """Say which two nodes of the tree of clusters merge into which, and the share of scatter lost by then."""

    left: int
    right: int
    node: int
    height: float


@dataclass(frozen=True)
class StabilityView:
    """Say how far the trainings from several seeds agree, over the events trained on.

    Parameters
    ----------
    seeds, model_seed
        The seeds, and the one whose model it is.
    ari, matched
        For each pair of seeds (row, column): adjusted Rand index, and share of events in matched clusters, 0..1.
    mean_ari, mean_matched
        Means over the pairs.
    unanimous
        Share of events on which all agree, 0..1.
    by_cluster
        Mean agreement of the events of each cluster id from 0; None where it has none.
    """

    seeds: tuple[int, ...]
    model_seed: int
    ari: tuple[tuple[float, ...], ...]
    matched: tuple[tuple[float, ...], ...]
    mean_ari: float
    mean_matched: float
    unanimous: float
    by_cluster: tuple[float | None, ...]

    def mean_with_others(self, values: tuple[tuple[float, ...], ...], row: int) -> float:
        """Give a seed's mean over its pairs with the others; 1 where it is alone."""
        others = [value for column, value in enumerate(values[row]) if column != row]
        return sum(others) / len(others) if others else 1.0


@dataclass(frozen=True)
class ScoreRow:
    """Score one clustering against the truth, on raw cluster ids; each score at most 1."""

    method: str
    purity: float
    nmi: float
    ari: float
    hungarian_accuracy: float


@dataclass(frozen=True)
class DetectionRow:
    """Compare detection with the truth for one class, or for ``all``; precision None where undefined."""

    name: str
    truth: int
    detected: int
    recall: float
    precision: float | None


@dataclass(frozen=True)
class NamingRow:
    """Score the clusters' names for one class by labels that did not name them; precision None where undefined."""

    name: str
    labels: int
    precision: float | None
    recall: float


@dataclass(frozen=True, eq=False)
class ReportData:
    """Gather what the report shows.

    Parameters
    ----------
    title
        Heading of the page.
    facts
        Facts of the run (name, value): archive, period, settings hash, versions.
    sampling_rate
        Hz.
    window_s, before_onset_s
        Length of an event's window and how much of it precedes the onset, s.
    cluster, onset_ns, confidence, snr, station_index
        One entry an event (N): int32 raw cluster id, int64 ns since the epoch (UTC), float32, float32, and
        int32 index into ``stations``. A cluster id that is not among ``clusters`` is shown as unassigned.
    stations
        ``NET.STA.LOC.BI`` of each station.
    clusters
        One view a cluster, in any order.
    latent_map, latent_cluster
        (M, 2) float32 map of the latent space and (M,) the cluster of each point.
    training
        The training log by column: phase (``pretrain`` or ``cluster``), step, loss, reconstruction, kl,
        changed (share of labels, 0..1), seconds; NaN where a column has no value.
    outcomes
        What became of each station-day.
    scores, detection
        Comparison with the truth; empty without a truth table.
    naming, naming_note
        How well the clusters' names tell each class, and how many labels were enough, a sentence.
    confusion
        Class names and a (classes, clusters) count of events, columns in the order of ``clusters``.
    warnings
        Sentences to show at the top, beside the page's own warnings about station-days and clusters.
    map_method
        How ``latent_map`` was made, as a phrase; None when by :func:`couloir.report.maps.project`.
    spectrogram_label, spectrogram_range
        What the spectrograms' values are, and the values at the ends of the colour scale.
    merges, leaves
        The tree of clusters, nearest first, and its cluster ids from top to bottom; empty without one.
    stability
        How far several seeds agree; None where the model was trained once.
    tolerance
        The share of changed labels at which clustering stops, 0..1.

    Raises
    ------
    ValueError
        When the parts do not fit together; the text names the field.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    sampling_rate: float
    window_s: float
    before_onset_s: float
    cluster: NDArray[np.integer[Any]]
    onset_ns: NDArray[np.integer[Any]]
    confidence: NDArray[np.floating[Any]]
    snr: NDArray[np.floating[Any]]
    station_index: NDArray[np.integer[Any]]
    stations: tuple[str, ...]
    clusters: tuple[ClusterView, ...]
    latent_map: NDArray[np.floating[Any]]
    latent_cluster: NDArray[np.integer[Any]]
    training: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    outcomes: tuple[DayOutcome, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    detection: tuple[DetectionRow, ...] = ()
    naming: tuple[NamingRow, ...] = ()
    naming_note: str = ""
    confusion: tuple[tuple[str, ...], NDArray[np.integer[Any]]] | None = None
    warnings: tuple[str, ...] = ()
    map_method: str | None = None
    spectrogram_label: str = "standardised Box-Cox magnitude"
    spectrogram_range: tuple[float, float] = (-2.0, 3.0)
    tolerance: float | None = None
    merges: tuple[MergeView, ...] = ()
    leaves: tuple[int, ...] = ()
    stability: StabilityView | None = None

    def __post_init__(self) -> None:
        self._check_events()
        self._check_clusters()
        for outcome in self.outcomes:
            if outcome.status not in STATUSES:
                raise ValueError(f"outcomes: {outcome.status!r} is not one of {', '.join(STATUSES)}")

    @property
    def largest_first(self) -> tuple[ClusterView, ...]:
        """The clusters in the order of the page."""
        return tuple(sorted(self.clusters, key=lambda view: (-view.events, view.cluster)))

    def _check_events(self) -> None:
        events = len(self.onset_ns)
        for name in ("cluster", "confidence", "snr", "station_index"):
            if len(getattr(self, name)) != events:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries, onset_ns has {events}")
        inside = (self.station_index >= 0) & (self.station_index < len(self.stations))
        if not np.all(inside):
            raise ValueError(f"station_index points outside the {len(self.stations)} stations")
        if self.latent_map.shape != (len(self.latent_cluster), 2):
            raise ValueError(
                f"latent_map is {self.latent_map.shape}, expected ({len(self.latent_cluster)}, 2) "
                "as latent_cluster says"
            )

    def _check_clusters(self) -> None:
        ids = [view.cluster for view in self.clusters]
        if len(set(ids)) != len(ids):
            raise ValueError(f"clusters holds an id twice: {sorted(ids)}")
        for view in self.clusters:
            members = int(np.count_nonzero(self.cluster == view.cluster))
            if members != view.events:
                raise ValueError(
                    f"cluster {view.cluster} says {view.events} events, the event arrays hold {members}"
                )
        if self.confusion is not None:
            classes, matrix = self.confusion
            if matrix.shape != (len(classes), len(ids)):
                raise ValueError(
                    f"confusion is {matrix.shape}, expected ({len(classes)} classes, {len(ids)} clusters)"
                )
