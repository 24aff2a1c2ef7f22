"""The words say what the numbers are, in plain grammar, and warn of what spoils a run."""

import dataclasses
import datetime as dt

import numpy as np
import pytest

from couloir.identifiers import DAY_NS, day_start_ns
from couloir.report import DayOutcome, words


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.001, "<1 %"), (0.5, "50 %"), (0.999, ">99 %"), (1, "100 %"), (0.334, "33 %")],
)
def test_percent_never_rounds_something_to_nothing_or_to_all(share, text):
    assert words.percent(share).replace("\u00a0", " ") == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 events"), (1, "1 event"), (2000, "2,000 events")])
def test_counts_agree_with_their_nouns(count, text):
    assert words.plural(count, "event") == text


@pytest.mark.parametrize(
    ("counts", "text"), [(None, "no waveform"), (0.1234, "peak 0.123 counts"), (12345.6, "peak 12,346 counts")]
)
def test_peaks_keep_three_digits_at_least(counts, text):
    assert words.peak(counts) == text


def test_moment_is_written_to_a_tenth_of_a_second():
    assert words.moment(day_start_ns(dt.date(2020, 3, 28)) + 3_723_456_789_012) == "2020-03-28 01:02:03.4"


def test_hours_that_end_at_midnight_are_written_as_24():
    onsets = day_start_ns(dt.date(2020, 3, 28)) + np.array([23 * 3600 * 10**9])
    assert words.hours(onsets).replace("\u00a0", " ") == "23–24 h"


def test_summary_counts_events_stations_days_and_clusters(build):
    data = build()
    text = words.summary(data).replace("\u00a0", " ")
    assert text.startswith(
        "60 events at 3 stations in 20 days (2020-03-28 to 2020-04-16, UTC), sorted into 3 clusters."
    )
    largest = data.largest_first[0]
    assert f"The largest is cluster {largest.cluster}" in text
    assert f"with {largest.events} events" in text
    assert "Of 70 true events 60 were detected (86 %)." in text


def test_summary_names_the_busiest_day(build):
    data = build()
    days, counts = np.unique(data.onset_ns // DAY_NS, return_counts=True)
    busiest = {str(dt.date(1970, 1, 1) + dt.timedelta(days=int(day))) for day in days[counts == counts.max()]}
    text = words.summary(data)
    assert any(f"The busiest day was {day} with {counts.max()} events." in text for day in busiest)


def test_summary_without_outcomes_counts_the_stations_and_days_of_the_events(build):
    data = build(outcomes=(), events=1, clusters=1, confusion=None)
    assert words.summary(data).startswith("1 event at 1 station in 1 day (")


def test_summary_of_events_that_were_never_clustered_says_so(build):
    text = words.summary(build(clusters=0, confusion=None))
    assert "not clustered" in text


def test_sound_run_gives_no_warnings(build):
    assert words.warnings(build()) == ()


def test_own_warnings_of_the_data_come_first(build):
    bad = DayOutcome("GG.LH01.10.EH", dt.date(2020, 3, 28), "failed", 0, "memory")
    found = words.warnings(build(warnings=("The model collapsed.",), outcomes=(bad,)))
    assert found[0] == "The model collapsed."
    assert "1 of 1 station-day could not be used: 1 failed." in found[1]


def test_empty_station_days_are_no_cause_for_warning(build):
    assert (
        words.warnings(build(outcomes=(DayOutcome("A.B.C.D", dt.date(2020, 3, 28), "empty", 0, "no file"),))) == ()
    )


def test_cluster_that_holds_nearly_everything_is_called_a_collapse(build):
    data = build(clusters=2, events=200)
    cluster = np.zeros_like(data.cluster)
    cluster[:2] = 1
    counts = (198, 2)
    views = tuple(dataclasses.replace(v, events=n) for v, n in zip(data.clusters, counts, strict=True))
    (warning,) = words.warnings(dataclasses.replace(data, cluster=cluster, clusters=views))
    assert warning.startswith("Cluster 0 holds 99\u00a0% of all events: the clustering has collapsed.")
