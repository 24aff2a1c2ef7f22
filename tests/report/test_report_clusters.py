"""What is said about a cluster is counted from its own events."""

import numpy as np
import pytest

from couloir.report import clusters, typical_hours
from couloir.report.figures.canvas import report_style
from couloir.report.palette import cluster_colours


@pytest.fixture(autouse=True)
def style():
    with report_style():
        yield


def describe(data):
    colours = cluster_colours(view.cluster for view in data.clusters)
    return clusters.sections(data, colours, bins=None)


def test_stations_come_by_their_share_of_the_cluster(build):
    index = np.array([0] * 10 + [1] * 30 + [2] * 20)
    (section,) = describe(build(clusters=1, typical=0, station_index=index, confusion=None))
    assert [(share.name, share.events) for share in section.stations] == [
        ("GG.LH02.10.EH", 30),
        ("GG.LH03.10.EH", 20),
        ("GG.LH01.10.EH", 10),
    ]
    assert [share.share for share in section.stations] == pytest.approx([1 / 2, 1 / 3, 1 / 6])


def test_stations_beyond_the_first_few_are_summed_up(build):
    stations = tuple(f"GG.S{number:02d}.10.EH" for number in range(20))
    index = np.arange(60) % 20
    (section,) = describe(build(clusters=1, typical=0, stations=stations, station_index=index, confusion=None))
    assert len(section.stations) == clusters.MOST_STATIONS
    assert section.stations[-1].name == "13 others"
    assert sum(share.events for share in section.stations) == 60


def test_numbers_of_a_section_are_those_of_its_own_events(build):
    data = build(typical=0)
    for section, view in zip(describe(data), data.largest_first, strict=True):
        own = data.cluster == view.cluster
        assert section.view is view
        assert section.share == own.mean()
        assert section.median_confidence == pytest.approx(np.median(data.confidence[own]))
        assert section.median_snr == pytest.approx(np.median(data.snr[own]))
        span = typical_hours(data.onset_ns[own])
        assert section.hours.startswith("any" if span is None else f"{span[0]:02d}")
