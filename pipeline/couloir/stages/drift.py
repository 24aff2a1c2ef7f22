"""Say how the events a model was applied to compare with those it was trained on: ``catalog/assign.json``."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from couloir.identifiers import HOUR_NS
from couloir.stages.card import Card
from couloir.store.documents import read_document
from couloir.store.location import Location

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment
    from couloir.dec.typical import Ratios

NAME = "assign.json"
FEWEST = 20
"""Events of a month below which its medians say little, and it is not the one that is told."""
_SOME, _MUCH = 0.1, 0.25
"""Population stability: the same population below the one, another one above the other."""
_LARGER = 1.5
"""Times the training's median, above which reconstruction or distance say that the events are others."""


def describe_assignment(
    card: Card,
    model_id: str,
    assignment: "Assignment",
    *,
    score: NDArray[np.float32],
    onset_ns: NDArray[np.int64],
    training_sizes: Sequence[int] | None,
    ratios: "Ratios | None",
) -> dict[str, Any]:
    """Describe the events as the model sees them, month by month, and against its training where that is known.

    Parameters
    ----------
    card : Card
    model_id : str
    assignment : Assignment
        Of all events.
    score : ndarray of float32
        How new they are, as the catalog has it.
    onset_ns : ndarray of int64
        Their onsets, ns since the epoch.
    training_sizes : sequence of int or None
        Events of each cluster at training; None where it is not known.
    ratios : Ratios or None
        Against the training's median members.

    Returns
    -------
    dict
        What ``assign.json`` holds; ``sentence`` says it to a reader.
    """
    onset_ns = np.asarray(onset_ns)
    months = onset_ns.astype("datetime64[ns]").astype("datetime64[M]")
    rows = [
        _month(
            str(month),
            np.flatnonzero(months == month),
            assignment,
            card.clusters,
            score=score,
            hours=onset_ns // HOUR_NS,
            sizes=training_sizes,
            ratios=ratios,
        )
        for month in np.unique(months)
    ]
    return {
        "model_id": model_id,
        "model": card.origin,
        "events": len(assignment),
        "training_cluster_sizes": None if training_sizes is None else list(training_sizes),
        "months": rows,
        "sentence": _sentence(rows),
    }


def write_description(place: Location, described: dict[str, Any]) -> None:
    """Write ``assign.json``."""
    (place / NAME).write_text(json.dumps(described, indent=1, allow_nan=False))


def read_sentence(place: Location) -> str | None:
    """Read the sentence of ``assign.json``; None where the catalog is of a model trained on its events."""
    again = "Remove it and run `couloir assign` again."
    return read_document(place / NAME, lambda held: str(held["sentence"]), remedy=again)


def training_sizes(metrics: str | None) -> list[int] | None:
    """Read the events of each cluster at training from ``metrics.json``; None for an imported model."""
    sizes = json.loads(metrics or "{}").get("cluster_sizes")
    return None if sizes is None else [int(size) for size in sizes]


def _month(
    month: str,
    mine: NDArray[np.int64],
    assignment: "Assignment",
    clusters: int,
    *,
    score: NDArray[np.float32],
    hours: NDArray[np.int64],
    sizes: Sequence[int] | None,
    ratios: "Ratios | None",
) -> dict[str, Any]:
    from couloir.dec.drift import population_stability, stability_by_chance

    own_hours, hour = np.unique(hours[mine], return_inverse=True)
    by_hour = np.zeros((len(own_hours), clusters), np.int64)
    np.add.at(by_hour, (hour, assignment.cluster[mine]), 1)
    counts = by_hour.sum(axis=0)
    by_chance = np.inf if sizes is None else stability_by_chance(sizes, by_hour)
    return {
        "month": month,
        "events": len(mine),
        "hours": len(own_hours),
        "cluster_sizes": counts.tolist(),
        "median_confidence": _median(assignment.confidence[mine]),
        "median_reconstruction_error": _median(assignment.reconstruction_error[mine]),
        "median_novelty": _median(score[mine]),
        "population_stability": None if sizes is None else round(population_stability(sizes, counts), 4),
        "stability_by_chance": round(by_chance, 4) if np.isfinite(by_chance) else None,
        "error_ratio": None if ratios is None else _median(ratios.error[mine]),
        "distance_ratio": None if ratios is None else _median(ratios.distance[mine]),
    }


def _median(values: NDArray[np.float32]) -> float:
    return round(float(np.median(values)), 4)


def _sentence(rows: Sequence[dict[str, Any]]) -> str:
    """Tell the month that is furthest from training, and how far it is."""
    if not rows:
        return "There are no events."
    if rows[0]["population_stability"] is None:
        error = np.average(
            [row["median_reconstruction_error"] for row in rows], weights=[row["events"] for row in rows]
        )
        return (
            f"Drift cannot be told, since the model does not know the events it was trained on; its median "
            f"reconstruction error here is {error:.3f}."
        )
    told = [row for row in rows if row["events"] >= FEWEST] or rows
    furthest = max(told, key=_distance)
    moved = _has_moved(furthest)
    stability, larger = furthest["population_stability"], max(furthest["error_ratio"], furthest["distance_ratio"])
    if (moved and stability >= _MUCH) or larger >= _LARGER:
        verdict = "The events have drifted from those of the training; train anew before relying on the clusters"
    elif moved and stability >= _SOME:
        verdict = "The events have drifted somewhat from those of the training"
    else:
        verdict = "The events are like those of the training"
    return (
        f"{verdict}: furthest in {furthest['month']} ({furthest['events']:,} events), population stability "
        f"{stability:.2f}, reconstruction error {furthest['error_ratio']:.2f} and latent distance "
        f"{furthest['distance_ratio']:.2f} times the training's median."
    )


def _distance(row: dict[str, Any]) -> float:
    """Say how far a month is from training, 1 at the bound of much; shares that may be chance say nothing."""
    larger = max(row["error_ratio"], row["distance_ratio"])
    shares = row["population_stability"] / _MUCH if _has_moved(row) else 0.0
    return float(max(shares, (larger - 1) / (_LARGER - 1)))


def _has_moved(row: dict[str, Any]) -> bool:
    """Say whether a month's shares differ by more than chance; of one hour nothing can be said."""
    by_chance = row["stability_by_chance"]
    return by_chance is not None and row["population_stability"] > by_chance
