"""Give events the labels made by hand, score the clusters' names, and keep the scores beside the catalog."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.truth import Interval, Matching
from couloir.config import RunConfig
from couloir.errors import ConfigError, CouloirWarning
from couloir.identifiers import HOUR_NS, NS_PER_S
from couloir.store.documents import CATALOG_AGAIN, read_document
from couloir.store.location import Location

if TYPE_CHECKING:
    from couloir.dec.naming import Naming

_NAME = "naming.json"
_SHOWN = 3


def name_events(
    table: pa.Table, by_id: Mapping[str, str], intervals: Sequence[Interval], *, window_s: float
) -> list[str | None]:
    """Give each event of a catalog the class that its id has, else that of the interval it overlaps most.

    Raises
    ------
    ConfigError
        When an event that is named is not in the catalog.
    """
    ids = table["event_id"].to_pylist()
    if strange := sorted(set(by_id) - set(ids)):
        more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
        raise ConfigError(
            f"catalog.labels: {', '.join(strange[:_SHOWN])}{more} not in this catalog. Ids stand in its column "
            "event_id and change with the detection's settings; label by station and time to be free of that."
        )
    matching = Matching(table, intervals, window_ns=round(window_s * NS_PER_S))
    tell_unmet("catalog.labels", matching, of=len(intervals), allowed=0)
    return [by_id.get(event, other) for event, other in zip(ids, matching.labels, strict=True)]


def tell_unmet(setting: str, matching: Matching, *, of: int, allowed: int) -> None:
    """Warn of intervals that meet no event, where there are more than allowed or there is no event of a station.

    Parameters
    ----------
    setting : str
        Which names the intervals.
    matching : Matching
    of, allowed : int
        How many there are, and how many of them may well meet no event.
    """
    strange = matching.strange_stations
    if matching.unmet <= allowed and not strange:
        return
    more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
    told = f"; no event is of {', '.join(strange[:_SHOWN])}{more}" if strange else ""
    warnings.warn(
        f"{setting}: {matching.unmet:,} of {of:,} intervals meet no event{told}. Check their stations and times "
        "(UTC).",
        CouloirWarning,
        stacklevel=2,
    )


def judge_names(
    config: RunConfig,
    count: int,
    labels: Sequence[str | None],
    clusters: NDArray[np.int32],
    rejected: NDArray[np.bool_],
    *,
    onset_ns: NDArray[np.int64],
) -> "Naming | None":
    """Score the names of so many clusters by cross-validation over whole hours; None without labels."""
    from couloir.dec.naming import score_names

    return score_names(
        labels, clusters, count, groups=onset_ns // HOUR_NS, rejected=rejected, seed=config.train.seed
    )


def write_naming(place: Location, naming: "Naming | None") -> None:
    """Write ``naming.json``; without labels there is none."""
    if naming is None:
        (place / _NAME).remove()
    else:
        (place / _NAME).write_text(json.dumps(asdict(naming), indent=1))


def read_naming(place: Location) -> "Naming | None":
    """Read ``naming.json``; None where the run had no labels."""
    from couloir.dec.naming import ClassScore, CurvePoint, Naming

    def build(held: dict[str, Any]) -> Naming:
        classes = tuple(ClassScore(**row) for row in held.pop("classes"))
        curve = tuple(CurvePoint(**row) for row in held.pop("curve"))
        return Naming(**held, classes=classes, curve=curve)

    return read_document(place / _NAME, build, remedy=CATALOG_AGAIN)


def naming_in_words(naming: "Naming") -> str:
    """Say how many labels a class were enough, and what the scores are worth."""
    curve = ", ".join(f"{point.labels}: {point.score:.3f}" for point in naming.curve)
    if naming.groups is None:
        return (
            f"All labels are of one hour, so that the {naming.folds} folds are of single windows and those of one "
            f"source may name each other: these scores are too good. {_enough_in_words(naming)} ({curve})."
        )
    return (
        f"{_enough_in_words(naming, ', each of another hour,')}, over {naming.folds} folds of whole hours "
        f"({naming.groups:,} with labels; {curve})."
    )


def _enough_in_words(naming: "Naming", each: str = "") -> str:
    if naming.enough is None:
        most = naming.curve[-1].labels
        return (
            "How many labels are enough is not known yet: mean recall has not levelled off with "
            f"{most} a class{each.rstrip(',')}"
        )
    if naming.enough == 1:
        return f"1 label a class{each} comes within one point of the best mean recall"
    return f"{naming.enough} labels a class{each} come within one point of the best mean recall"
