"""Hold what a comparison of numbers of clusters came to, and keep it as JSON, CSV and a picture."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from couloir.dec.criteria import Criteria
from couloir.errors import MissingStageError
from couloir.store.documents import read_document
from couloir.store.location import Location

FOLDER = "select-k"
PICTURE = "selection.png"
_RESULT, _TABLE = "selection.json", "selection.csv"


@dataclass(frozen=True)
class Row(Criteria):
    """Hold all that is compared of one number of clusters: its criteria, and what needs the autoencoder or labels.

    Attributes
    ----------
    centroid_error
        Mean squared error of spectrograms against the decoded centroid of their cluster.
    joint_agreement, joint_error
        ARI of two refined models, and their reconstruction error; None when not refined.
    tuning_ari
        ARI with the labels of the tuning half; None without labels. No part of the recommendation.
    """

    centroid_error: float
    joint_agreement: float | None = None
    joint_error: float | None = None
    tuning_ari: float | None = None


@dataclass(frozen=True)
class Selection:
    """Hold the comparison: a row for each K, which one is recommended, why, and its score on unseen labels."""

    rows: tuple[Row, ...]
    recommended: int
    reason: str
    gap_choice: int | None
    autoencoder_error: float
    score: dict[str, Any] | None = None


def write_selection(folder: Location, selection: Selection) -> None:
    """Write a comparison to its folder."""
    (folder / _TABLE).write_text(_csv(selection.rows))
    (folder / PICTURE).write_bytes(_draw(selection))
    (folder / _RESULT).write_text(json.dumps(asdict(selection), indent=1) + "\n")


def read_selection(place: Location) -> Selection:
    """Read what a comparison came to from a run's output.

    Raises
    ------
    MissingStageError
        When there is none.
    """
    found = find_selection(place)
    if found is None:
        raise MissingStageError(
            f"{place / FOLDER} holds no comparison. Run `couloir train --select-k 2:14` first."
        )
    return found


def find_selection(place: Location) -> Selection | None:
    """Read what a comparison came to; None where there is none."""
    return read_document(
        place / FOLDER / _RESULT,
        lambda held: Selection(**{**held, "rows": tuple(Row(**row) for row in held["rows"])}),
        remedy="Remove it and run `couloir train --select-k` again: what it compared is kept.",
    )


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = asdict(row).items()
        writer.writerow({name: f"{value:.6g}" for name, value in values if value is not None})
    return text.getvalue()


def _draw(selection: Selection) -> bytes:
    from couloir.report.figures.selection import Curve, draw_selection

    rows = selection.rows
    refined = rows[0].joint_error is not None
    curves = [
        Curve("Stability (ARI)", [r.stability for r in rows], [r.stability_error for r in rows]),
        Curve("Weakest cluster (Jaccard)", [r.weakest for r in rows], [r.weakest_error for r in rows]),
        Curve("Silhouette", [r.silhouette for r in rows]),
        Curve("Gap", [r.gap for r in rows], [r.gap_error for r in rows]),
        Curve("Error of decoded centroids (MSE)", [r.centroid_error for r in rows]),
    ]
    if refined:
        curves += [
            Curve("Agreement of joint models (ARI)", [r.joint_agreement for r in rows]),
            Curve("Error of joint models (MSE)", [r.joint_error for r in rows]),
        ]
    return draw_selection([r.clusters for r in rows], curves, recommended=selection.recommended)
