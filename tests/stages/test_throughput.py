"""What station-days cost adds up to what each of them told."""

import datetime as dt

import pytest

from couloir.identifiers import BandId, StationDay
from couloir.stages.throughput import add_up
from couloir.store.outcomes import Outcome

BAND = BandId("XX", "AAA", "00", "HH")


def outcome(day, seconds, **values):
    return Outcome(StationDay(BAND, dt.date(2024, 1, day)), "ok", seconds=seconds, **values)


def test_seconds_bytes_events_and_channel_days_add_up():
    cost = add_up(
        [
            outcome(1, {"read": 1.0, "detect": 2.0}, components="ENZ", read_bytes=6_000_000, events=10),
            outcome(2, {"read": 1.0, "write": 2.0}, components="Z", read_bytes=6_000_000, events=2),
        ]
    )
    assert dict(cost.seconds) == {"read": 2.0, "decode": 0, "detect": 2.0, "spectrogram": 0, "write": 2.0}
    assert cost.total == 6.0
    assert cost.channel_days_per_core_hour == pytest.approx(4 * 3600 / 6)
    assert cost.megabytes_per_core_second == pytest.approx(2.0)
    assert cost.events_per_core_second == pytest.approx(2.0)


def test_the_slowest_come_first():
    days = [outcome(day, {"detect": float(day)}) for day in (1, 4, 3, 2)]
    assert [o.station_day.day.day for o, _ in add_up(days).slowest] == [4, 3, 2]


def test_nothing_spent_is_no_division_by_zero():
    assert add_up([outcome(1, {})]).channel_days_per_core_hour == 0.0
