"""Data that does not fit together is refused with the name of the field."""

import dataclasses
import datetime as dt

import numpy as np
import pytest

from couloir.report import DayOutcome


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snr": np.zeros(3)}, "snr has 3 entries, onset_ns has 60"),
        ({"station_index": np.full(60, 3)}, "station_index points outside the 3 stations"),
        ({"latent_map": np.zeros((5, 3))}, r"latent_map is \(5, 3\), expected \(60, 2\)"),
        ({"cluster": np.zeros(60, dtype=int)}, "the event arrays hold 60"),
        ({"confusion": (("a",), np.zeros((1, 2)))}, r"confusion is \(1, 2\), expected \(1 classes, 3 clusters\)"),
        (
            {"outcomes": (DayOutcome("A", dt.date(2020, 1, 1), "fine", 0, ""),)},
            "outcomes: 'fine' is not one of ok",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(build, changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_cluster_listed_twice_is_refused(build):
    data = build()
    with pytest.raises(ValueError, match="clusters holds an id twice"):
        dataclasses.replace(data, clusters=(*data.clusters, data.clusters[0]))


def test_clusters_are_ordered_by_size(build):
    sizes = [view.events for view in build(clusters=7).largest_first]
    assert sizes == sorted(sizes, reverse=True)
