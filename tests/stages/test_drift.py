"""The sentence on drift: what is like the training is said to be, and what is not, but for chance."""

import numpy as np
import pytest

from couloir.dec.assign import Assignment
from couloir.dec.typical import Ratios
from couloir.identifiers import HOUR_NS
from couloir.stages.card import Card
from couloir.stages.drift import describe_assignment

JANUARY, FEBRUARY = (np.datetime64(f"2024-{month:02d}-10", "ns").astype(np.int64) for month in (1, 2))
SIZES = [500, 300, 200]
SAME = np.repeat([0, 1, 2], [250, 150, 100])


def describe(*months, error=1.0, sizes=SIZES, windows=1):
    """Describe months given as cluster ids, so many windows a source, of which an hour has one or two.

    `error` is the last month's ratio to the training's.
    """
    months = [np.repeat(month, windows) for month in months]
    cluster = np.concatenate(months).astype(np.int32)
    n, last = len(cluster), len(months[-1])
    ones = np.ones(n, np.float32)
    ratio = np.concatenate([ones[last:], np.full(last, error, np.float32)])
    assignment = Assignment(ones[:, None], ones[:, None], cluster, ones, ones, 0.3 * ratio, ones[:, None])
    begins = np.repeat([JANUARY, FEBRUARY][: len(months)], [len(month) for month in months])
    onsets = begins + np.concatenate([np.arange(len(month)) // windows % 400 for month in months]) * HOUR_NS
    card = Card({}, 3, {}, {"kind": "imported", "file": "x"})
    ratios = Ratios(ones, ratio) if sizes else None
    return describe_assignment(
        card, "id", assignment, score=2 * ratio, onset_ns=onsets, training_sizes=sizes, ratios=ratios
    )


def test_the_same_shares_and_medians_are_like_the_training():
    told = describe(SAME, SAME)
    assert told["sentence"].startswith("The events are like those of the training")
    assert [month["events"] for month in told["months"]] == [500, 500]
    assert [month["median_novelty"] for month in told["months"]] == [2, 2]


@pytest.mark.parametrize(
    ("cluster", "error", "verdict"),
    [
        (np.repeat([0, 1, 2], [100, 100, 300]), 1.0, "The events have drifted from"),
        (np.repeat([0, 1, 2], [180, 150, 170]), 1.0, "The events have drifted somewhat"),
        (SAME, 1.6, "The events have drifted from"),
        (np.repeat([0, 1, 2], [3, 5, 17]), 1.0, "The events have drifted from"),
        (np.repeat([0, 1, 2], [8, 9, 8]), 1.0, "The events are like"),  # 25 events: stability 0.2, by chance
    ],
)
def test_the_furthest_month_decides(cluster, error, verdict):
    sentence = describe(SAME, cluster, error=error)["sentence"]
    assert sentence.startswith(verdict)
    if "like" not in verdict:
        assert "furthest in 2024-02" in sentence


def test_windows_of_few_sources_are_no_drift_and_of_many_they_are():
    few, many = np.repeat([0, 1, 2], [3, 3, 6]), np.repeat([0, 1, 2], [30, 30, 60])
    assert describe(SAME, few, windows=8)["sentence"].startswith("The events are like")
    assert describe(SAME, many, windows=8)["sentence"].startswith("The events have drifted from")


def test_a_month_of_one_hour_has_no_bound_and_is_no_drift_by_its_shares():
    told = describe(SAME, np.full(1, 2), windows=30)
    assert told["months"][1]["hours"] == 1
    assert told["months"][1]["stability_by_chance"] is None
    assert told["months"][1]["population_stability"] > 1
    assert told["sentence"].startswith("The events are like")


def test_a_handful_of_events_is_not_the_month_that_is_told():
    assert "2024-01" in describe(SAME, np.full(5, 2), error=9.0)["sentence"]


def test_without_a_training_to_compare_with_nothing_is_claimed():
    told = describe(SAME, sizes=None)
    assert told["sentence"].startswith("Drift cannot be told")
    assert "0.300" in told["sentence"]
    assert told["months"][0]["population_stability"] is None


def test_no_events_are_no_months():
    assert describe(np.empty(0))["months"] == []
