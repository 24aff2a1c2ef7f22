"""Problems on consecutive days become one line, and no station-day is lost or counted twice."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from couloir.report import STATUSES, DayOutcome
from couloir.report.days import Problem, problems, station_rows, totals

FIRST = dt.date(2020, 3, 28)


def day(i, status="flat", *, station="A", reason="MAD is 0", events=0):
    return DayOutcome(station, FIRST + dt.timedelta(days=i), status, events, reason)


station_days = st.dictionaries(
    st.tuples(st.sampled_from("AB"), st.integers(0, 30)),
    st.tuples(st.sampled_from(STATUSES), st.sampled_from(["one", "two"])),
    max_size=40,
).map(lambda drawn: [day(i, status, station=s, reason=why) for (s, i), (status, why) in drawn.items()])


def test_consecutive_days_with_one_reason_become_one_line():
    found = problems([day(2), day(1), day(3), day(7)])
    assert found == (
        Problem("A", FIRST + dt.timedelta(days=1), FIRST + dt.timedelta(days=3), "flat", "MAD is 0"),
        Problem("A", FIRST + dt.timedelta(days=7), FIRST + dt.timedelta(days=7), "flat", "MAD is 0"),
    )
    assert [problem.days for problem in found] == [3, 1]


def test_another_reason_station_or_outcome_begins_another_line():
    assert len(problems([day(1), day(2, reason="other"), day(3, station="B"), day(4, "failed")])) == 4


def test_worst_outcomes_come_first():
    found = problems([day(1, "empty"), day(3, "failed"), day(5, "flat"), day(7, "ok")])
    assert [problem.status for problem in found] == ["failed", "flat", "empty"]


@given(outcomes=station_days)
def test_lines_cover_each_station_day_that_was_not_ok_once(outcomes):
    covered = [
        (run.station, run.first + dt.timedelta(days=i), run.status, run.reason)
        for run in problems(outcomes)
        for i in range(run.days)
    ]
    bad = [(o.station, o.day, o.status, o.reason) for o in outcomes if o.status != "ok"]
    assert sorted(covered) == sorted(bad)


@given(outcomes=station_days)
def test_totals_and_station_rows_count_every_station_day_once(outcomes):
    rows = station_rows(outcomes)
    assert sum(count for _, count in totals(outcomes)) == len(outcomes)
    assert sum(row.days for row in rows) == len(outcomes)
    assert all(row.days == row.ok + row.empty + row.unusable for row in rows)
    assert [row.station for row in rows] == sorted({outcome.station for outcome in outcomes})


def test_station_row_sums_up_events():
    rows = station_rows([day(1, "ok", events=3), day(2, "ok", events=4), day(3), day(4, "empty")])
    assert [(row.ok, row.empty, row.unusable, row.events) for row in rows] == [(2, 1, 1, 7)]
