"""Bins cover the period, never too many; typical hours are the shortest span that holds half."""

import datetime as dt
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.identifiers import DAY_NS, HOUR_NS, day_of_ns, day_start_ns
from couloir.kernels.hours import hour_counts
from couloir.report.timebins import MOST_BINS, SPREAD_HOURS, time_bins, typical_hours

START = day_start_ns(dt.date(2020, 3, 28))
instants = st.integers(0, 2**62)
hours_of_day = st.lists(st.integers(0, 23), min_size=1, max_size=60)


def at_hours(hours):
    return START + np.array(hours, dtype=np.int64) * HOUR_NS + 17


@pytest.mark.parametrize(
    ("days", "unit"),
    [(0.05, "5 minutes"), (0.3, "5 minutes"), (1, "hour"), (4, "hour"), (31, "day"), (400, "week")],
)
def test_unit_suits_the_length_of_the_period(days, unit):
    assert time_bins(START, START + int(days * DAY_NS)).unit == unit


def test_years_are_counted_by_calendar_month():
    bins = time_bins(START, START + 1096 * DAY_NS)
    assert bins.unit == "month"
    assert {day_of_ns(edge).day for edge in bins.edges_ns} == {1}
    assert day_of_ns(bins.edges_ns[0]) == dt.date(2020, 3, 1)
    assert day_of_ns(bins.edges_ns[-1]) == dt.date(2023, 4, 1)


def test_weeks_begin_on_monday():
    bins = time_bins(START, START + 300 * DAY_NS)
    assert {day_of_ns(edge).weekday() for edge in bins.edges_ns} == {0}


@given(first=instants, length=st.integers(0, 10**17))
def test_bins_cover_the_period_without_gaps_or_spare_bins(first, length):
    bins = time_bins(first, first + length)
    edges = bins.edges_ns
    assert edges[0] <= first < edges[1]
    assert edges[-2] <= first + length < edges[-1]
    assert np.all(np.diff(edges) > 0)
    assert bins.unit == "month" or len(edges) - 1 <= MOST_BINS


@given(offsets=st.lists(st.integers(-(10**15), 10**16), max_size=50))
def test_counts_agree_with_numpy(offsets):
    bins = time_bins(START, START + 40 * DAY_NS)
    onsets = START + np.array(offsets, dtype=np.int64)
    inside = onsets[onsets < bins.edges_ns[-1]]  # numpy's last bin holds its end; ours does not
    assert bins.count(onsets).tolist() == np.histogram(inside, bins.edges_ns)[0].tolist()


@given(hours=hours_of_day)
def test_hour_counts_agree_with_a_plain_count(hours):
    assert hour_counts(at_hours(hours)).tolist() == [hours.count(hour) for hour in range(24)]


@given(hours=hours_of_day)
def test_typical_hours_are_the_shortest_span_that_holds_half(hours):
    def held(start, length):
        return sum((hour - start) % 24 < length for hour in hours)

    spans = product(range(1, SPREAD_HOURS), range(24))
    shortest = min((length for length, start in spans if 2 * held(start, length) >= len(hours)), default=None)
    found = typical_hours(at_hours(hours))
    if shortest is None:
        assert found is None
    else:
        start, end = found
        assert (end - start) % 24 == shortest
        assert held(start, shortest) == max(held(other, shortest) for other in range(24))


def test_typical_hours_may_reach_over_midnight():
    assert typical_hours(at_hours([22, 23, 0, 1, 12, 9])) == (22, 1)


def test_evenly_spread_events_have_no_typical_hours():
    assert typical_hours(at_hours(list(range(24)) * 10)) is None


def test_no_events_have_no_typical_hours():
    assert typical_hours(np.empty(0, dtype=np.int64)) is None
