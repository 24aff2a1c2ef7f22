"""Find where an envelope rises far above its noise, and cut windows around it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class Trigger:
    """Hold one trigger as sample positions: from its onset up to, not including, its end."""

    onset: int
    end: int


@dataclass(frozen=True)
class TriggerRule:
    """Hold the thresholds' companions, in samples.

    Parameters
    ----------
    quiet : int
        A trigger has ended when more than this many samples in a row do not exceed the off threshold.
    merge : int
        Triggers not further apart than this, end to onset, are one.
    least : int
        Triggers shorter than this are dropped, after merging.
    """

    quiet: int
    merge: int
    least: int


def true_runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """List the runs of true samples.

    Parameters
    ----------
    mask : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of int64, shape (runs, 2)
        First sample of each run, and the one after its last.
    """
    edges = np.flatnonzero(mask[1:] != mask[:-1]) + 1 if len(mask) else np.empty(0, np.int64)
    bounds = np.concatenate(([0], edges, [len(mask)]))
    first = 0 if len(mask) and mask[0] else 1
    starts, stops = bounds[:-1][first::2], bounds[1:][first::2]
    return np.stack([starts, stops], axis=1).astype(np.int64)


def intersect_runs(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the stretches that lie in both of two lists of runs.

    Parameters
    ----------
    one, other : ndarray of int64, shape (runs, 2)
        In order, apart from each other, as `true_runs` gives them.

    Returns
    -------
    ndarray of int64, shape (runs, 2)
    """
    cuts = np.unique(np.concatenate((one.ravel(), other.ravel())))
    starts = cuts[:-1]
    inside = np.ones(len(starts), bool)
    for runs in (one, other):
        home = np.searchsorted(runs[:, 0], starts, side="right") - 1
        inside &= (home >= 0) & (starts < runs[home, 1]) if len(runs) else False
    kept = np.stack([starts[inside], cuts[1:][inside]], axis=1)
    fresh = np.concatenate(([True], kept[1:, 0] != kept[:-1, 1]))[: len(kept)]
    return np.stack([kept[fresh, 0], kept[np.append(fresh[1:], True)[: len(kept)], 1]], axis=1)


def find_triggers(
    above_on: NDArray[np.int64],
    above_off: NDArray[np.int64],
    valid_runs: NDArray[np.int64],
    rule: TriggerRule,
) -> list[Trigger]:
    """Find triggers from the samples that exceed the two thresholds.

    A trigger begins at the first sample over the on threshold and ends after the first sample over the off
    threshold that more than `rule.quiet` low samples, or a gap, follow. It never crosses a gap.

    Parameters
    ----------
    above_on, above_off : ndarray of int64
        Positions over the on and over the (lower) off threshold, ascending; the first is a subset of the second.
    valid_runs : ndarray of int64, shape (runs, 2)
        Where samples count, as `true_runs` gives it. Every position lies in one of them.
    rule : TriggerRule

    Returns
    -------
    list of Trigger
        In order of time, apart by more than `rule.merge` samples or by a gap.
    """
    if not len(above_on):
        return []
    run = np.searchsorted(valid_runs[:, 0], above_off, side="right")
    parted = (np.diff(above_off) > rule.quiet + 1) | (np.diff(run) != 0)
    firsts = np.concatenate(([0], np.flatnonzero(parted) + 1))
    ends = above_off[np.append(firsts[1:], len(above_off)) - 1] + 1
    stretch = np.searchsorted(above_off[firsts], above_on, side="right") - 1
    triggered, where = np.unique(stretch, return_index=True)

    merged: list[tuple[int, int, int]] = []
    for number, onset in zip(triggered, above_on[where], strict=True):
        end, home = int(ends[number]), int(run[firsts[number]])
        if merged and home == merged[-1][2] and onset - merged[-1][1] <= rule.merge:
            merged[-1] = (merged[-1][0], end, home)
        else:
            merged.append((int(onset), end, home))
    return [Trigger(onset, end) for onset, end, _ in merged if end - onset >= rule.least]


def window_starts(trigger: Trigger, *, before: int, length: int) -> list[int]:
    """Place the windows of a trigger.

    The first begins `before` samples ahead of the onset. While at least `before` samples (and at least one) of
    the trigger lie beyond the last window, another window follows it directly.

    Parameters
    ----------
    trigger : Trigger
    before : int
        Samples ahead of the onset.
    length : int
        Samples of a window.

    Returns
    -------
    list of int
        First sample of each window.
    """
    starts = [trigger.onset - before]
    while trigger.end - (starts[-1] + length) >= max(before, 1):
        starts.append(starts[-1] + length)
    return starts
