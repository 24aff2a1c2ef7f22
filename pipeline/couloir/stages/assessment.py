"""Score clusterings and detection against labels, and keep the scores beside the catalog."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.catalog.truth import DetectionScore, Matching
from couloir.store.documents import CATALOG_AGAIN, read_document
from couloir.store.location import Location

_NAME = "assessment.json"


@dataclass(frozen=True)
class MethodScore:
    """Hold the four scores of one clustering, on raw cluster ids, over the labelled events."""

    method: str
    purity: float
    nmi: float
    ari: float
    hungarian_accuracy: float
    n: int


@dataclass(frozen=True)
class Assessment:
    """Hold how a catalog compares with its labels.

    Attributes
    ----------
    methods : tuple of MethodScore
        The model first, then the baselines.
    detection : tuple of DetectionScore
        ``all`` first, then each class.
    classes : tuple of str
        Rows of `confusion`.
    confusion : tuple of tuple of int
        Labelled events by class and cluster; a column for every cluster id from 0.
    """

    methods: tuple[MethodScore, ...]
    detection: tuple[DetectionScore, ...]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]


def assess(
    labels: Sequence[str | None],
    classes: Sequence[str | None],
    methods: Mapping[str, NDArray[np.int32]],
    matching: Matching,
) -> Assessment:
    """Score each method's cluster ids against the events' labels, and detection against the truth.

    Parameters
    ----------
    labels : sequence of str or None
        Each event's own label.
    classes : sequence of str or None
        The class of each event's cluster.
    methods : mapping of str to ndarray of int32
        Cluster ids by method, the model's first.
    matching : Matching
    """
    from couloir.dec.assess import contingency, score_clusters

    first = next(iter(methods.values()))
    table = contingency(labels, first)
    confusion = np.zeros((len(table.classes), int(first.max(initial=-1)) + 1), np.int64)
    confusion[:, list(table.clusters)] = table.counts
    return Assessment(
        tuple(MethodScore(name, **asdict(score_clusters(labels, ids))) for name, ids in methods.items()),
        tuple(matching.scores(classes)),
        table.classes,
        tuple(tuple(row) for row in confusion.tolist()),
    )


def write_assessment(place: Location, assessment: Assessment) -> None:
    """Write ``assessment.json``."""
    (place / _NAME).write_text(json.dumps(asdict(assessment), indent=1))


def read_assessment(place: Location) -> Assessment | None:
    """Read ``assessment.json``; None where the run had no labels."""

    def build(held: dict[str, Any]) -> Assessment:
        return Assessment(
            tuple(MethodScore(**row) for row in held["methods"]),
            tuple(DetectionScore(**row) for row in held["detection"]),
            tuple(held["classes"]),
            tuple(tuple(row) for row in held["confusion"]),
        )

    return read_document(place / _NAME, build, remedy=CATALOG_AGAIN)
