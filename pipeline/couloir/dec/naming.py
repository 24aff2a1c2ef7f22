"""Name clusters by a few labels, and say how good the names are and how many labels were enough.

A cluster's name is the most frequent class among its labelled events. Scored on the labels that named
it, that flatters: so the labels are split into folds in which every class has its share, clusters are
named on all folds but one, and the names are scored on the one left out. Events of one source resemble
each other more than new events do, whatever station or window they are of, so they stay in one fold.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from couloir.dec.assess import majority_classes
from couloir.dec.seeds import derive_seed, make_generator

FOLDS, REPEATS = 5, 10
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
WITHIN = 0.01
"""A number of labels is enough when its score is at most this much below the best."""


@dataclass(frozen=True)
class ClassScore:
    """Hold how well the names of clusters tell one class; precision is None when no cluster has the name.

    ``labels`` counts the class's labelled events; each is scored once, by names made without it.
    """

    name: str
    labels: int
    precision: float | None
    recall: float


@dataclass(frozen=True)
class CurvePoint:
    """Hold the mean recall over classes with clusters named by ``labels`` labels a class, or as many as it has.

    Of each group one label is drawn, so these are labels of as many groups.
    """

    labels: int
    score: float


@dataclass(frozen=True)
class Naming:
    """Hold what cross-validation says of the clusters' names.

    Attributes
    ----------
    labels, folds
        Labelled events, and folds they were split into.
    groups
        Groups that these events are of; None where all were of one, so that folds and curve are of single
        events: then names may be scored on the source that made them.
    classes
        One score a class, in order of its name.
    curve
        From one label a class on, means over folds and repeats.
    enough
        The smallest number of labels a class within ``WITHIN`` of the best; None where that is the largest
        number there is, so that more may help, or where none names an event right.
    """

    labels: int
    folds: int
    groups: int | None
    classes: tuple[ClassScore, ...]
    curve: tuple[CurvePoint, ...]
    enough: int | None


def score_names(
    labels: Sequence[str | None],
    clusters: NDArray[np.int32],
    n_clusters: int,
    *,
    groups: ArrayLike | None = None,
    rejected: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Naming | None:
    """Score the naming of clusters by cross-validation.

    Parameters
    ----------
    labels
        (N,) classes; None where unknown.
    clusters
        (N,) cluster ids.
    n_clusters
        K.
    groups
        (N,) a number an event: those of one group stay in one fold. Each event is its own when not given.
    rejected
        (N,) events whose class is not told, whatever their cluster: they count as missed.
    seed
        Of folds and of the labels drawn for the curve.

    Returns
    -------
    Naming or None
        None with fewer than two labelled events.
    """
    known = np.array([index for index, label in enumerate(labels) if label], np.int64)
    if len(known) < 2:
        return None
    names = np.array([str(labels[index]) for index in known])
    ids = np.asarray(clusters)[known]
    out = np.zeros(len(known), bool) if rejected is None else np.asarray(rejected)[known]
    group = np.unique(known if groups is None else np.asarray(groups)[known], return_inverse=True)[1]
    n_groups = int(group.max()) + 1
    apart = n_groups > 1
    if not apart:
        group = np.arange(len(known))
    folds = min(FOLDS, n_groups if apart else len(known))
    told = np.full(len(known), "", object)
    for train, test in _folds(names, group, folds, seed):
        told[test] = _tell(names[train], ids[train], ids[test], out[test], n_clusters)
    scores = tuple(_score_class(name, names, told) for name in np.unique(names).tolist())
    curve = _learn(names, group, ids, out, n_clusters, folds=folds, seed=seed)
    return Naming(len(known), folds, n_groups if apart else None, scores, curve, _enough(curve))


def _enough(curve: Sequence[CurvePoint]) -> int | None:
    """Give the number of labels beyond which more hardly help; None where they still do, or none helps."""
    best = max(point.score for point in curve)
    first = next(point for point in curve if point.score >= best - WITHIN)
    return None if best == 0 or first is curve[-1] else first.labels


def _folds(
    names: NDArray[np.str_], groups: NDArray[np.int64], folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split labels so that every class has its share in each fold, as well as whole groups allow."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    largest = np.unique(names, return_counts=True)[1].max()
    kind = StratifiedGroupKFold if largest >= folds else GroupKFold
    splitter = kind(folds, shuffle=True, random_state=derive_seed(seed, "folds"))
    with warnings.catch_warnings():  # a class of fewer labels than folds is missing from some, as it must
        warnings.simplefilter("ignore", UserWarning)
        for train, test in splitter.split(np.zeros(len(names)), names, groups):
            if len(test):  # with few groups of unequal size stratification may leave a fold empty
                yield train, test


def _tell(
    names: NDArray[np.str_],
    ids: NDArray[np.int32],
    asked: NDArray[np.int32],
    out: NDArray[np.bool_],
    n_clusters: int,
) -> list[str]:
    """Name the clusters by some labels, and give the names of others' clusters; "" where there is none."""
    named = [row.name or "" for row in majority_classes(names, ids, n_clusters)]
    return ["" if gone else named[cluster] for cluster, gone in zip(asked, out, strict=True)]


def _score_class(name: str, names: NDArray[np.str_], told: NDArray[np.object_]) -> ClassScore:
    of_class, so_told = names == name, told == name
    right = int((of_class & so_told).sum())
    precision = right / int(so_told.sum()) if so_told.any() else None
    return ClassScore(name, int(of_class.sum()), precision, right / int(of_class.sum()))


def _learn(
    names: NDArray[np.str_],
    groups: NDArray[np.int64],
    ids: NDArray[np.int32],
    out: NDArray[np.bool_],
    n_clusters: int,
    *,
    folds: int,
    seed: int,
) -> tuple[CurvePoint, ...]:
    """Score names made by few labels a class: each fold scored by labels drawn from the others, many times."""
    largest = max(len(np.unique(groups[names == name])) for name in np.unique(names))
    most = max(largest - -(-largest // folds), 1)
    steps = [*(step for step in STEPS if step < most), most]
    generator = make_generator(seed, "learning curve")
    sums: dict[int, list[float]] = {step: [] for step in steps}
    for repeat in range(REPEATS):
        for train, test in _folds(names, groups, folds, derive_seed(seed, f"repeat {repeat}")):
            shuffled = generator.permutation(train)
            of_classes = [shuffled[names[shuffled] == name] for name in np.unique(names[train])]
            independent = [_one_a_group(mine, groups) for mine in of_classes]
            for step in steps:
                drawn = np.concatenate([mine[:step] for mine in independent])
                told = np.array(_tell(names[drawn], ids[drawn], ids[test], out[test], n_clusters), object)
                right = told == names[test]
                sums[step].append(
                    float(np.mean([right[names[test] == name].mean() for name in np.unique(names[test])]))
                )
    return tuple(CurvePoint(step, float(np.mean(values))) for step, values in sums.items())


def _one_a_group(chosen: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the first of each group, in their order."""
    return chosen[np.sort(np.unique(groups[chosen], return_index=True)[1])]
