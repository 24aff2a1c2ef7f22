import calendar
import datetime as dt
import pickle

import numpy as np
import obspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.identifiers import (
    DAY_NS,
    BandId,
    Block,
    ChannelId,
    Pattern,
    StationDay,
    day_of_ns,
    day_start_ns,
    format_time,
)

CHANNEL = ChannelId("GG", "LH01", "10", "EHZ")
codes = st.text("ABCXYZ0189", min_size=1, max_size=5)
times = st.integers(-(2**62), 2**62)


@given(st.dates(dt.date(1700, 1, 1), dt.date(2250, 1, 1)))
def test_days_and_nanoseconds_agree_with_numpy(day):
    assert day_start_ns(day) == int(np.datetime64(day, "ns").astype(np.int64))
    assert day_of_ns(day_start_ns(day)) == day
    assert day_of_ns(day_start_ns(day) + DAY_NS - 1) == day
    assert day_of_ns(day_start_ns(day) - 1) == day - dt.timedelta(days=1)


@given(times)
def test_times_are_written_to_the_microsecond_below(time):
    expected = str(np.datetime64(time, "ns").astype("datetime64[us]"))
    assert format_time(time) == f"{expected}Z"


def test_a_time_is_one_that_obspy_reads():
    assert obspy.UTCDateTime(format_time(1_585_400_000_123_456_000)).ns == 1_585_400_000_123_456_000


def test_a_channel_tells_its_band_and_component():
    assert str(CHANNEL) == "GG.LH01.10.EHZ"
    assert CHANNEL.band == BandId("GG", "LH01", "10", "EH")
    assert CHANNEL.component == "Z"


@given(st.builds(BandId, codes, codes, st.one_of(st.just(""), codes), st.sampled_from(["HH", "EH"])))
def test_a_band_reads_back_from_its_name(band):
    assert BandId.parse(str(band)) == band


def test_two_dashes_are_an_empty_location():
    assert BandId.parse("GG.LH01.--.EH") == BandId("GG", "LH01", "", "EH")


@given(st.dates(dt.date(1971, 1, 1), dt.date(2200, 12, 31)))
def test_every_day_lies_in_one_block(day):
    station_day = StationDay(CHANNEL.band, day)
    block = station_day.block
    assert block.start_ns <= station_day.start_ns < block.end_ns
    assert block.key == f"GG.LH01.10.EH/{day:%Y-%m}"
    assert (block.end_ns - block.start_ns) == calendar.monthrange(day.year, day.month)[1] * DAY_NS
    later = day_of_ns(block.end_ns)
    assert Block(CHANNEL.band, later.year, later.month).start_ns == block.end_ns


def test_names_can_be_hashed_ordered_and_pickled():
    days = [StationDay(CHANNEL.band, dt.date(2020, 1, day)) for day in (3, 1, 2)]
    assert [key.day.day for key in sorted(days)] == [1, 2, 3]
    assert pickle.loads(pickle.dumps(days)) == days  # noqa: S301 - our own
    assert len({*days, *days, days[0].block, days[1].block}) == 4


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("GG.LH01.10.EHZ", True),
        ("*.*.*.*", True),
        ("GG.*.10.EH?", True),
        ("G?.L*1.??.?H[Z", None),
        ("GG.LH0?.10.*", True),
        ("GG.LH0?.--.*", False),
        ("GG.LH0..EHZ", False),
        ("gg.LH01.10.EHZ", False),
        ("GG.LH01.10.EH", False),
        ("G.LH01.10.EHZ", False),
    ],
)
def test_patterns_match_as_a_shell_does(pattern, matches):
    if matches is None:
        with pytest.raises(ValueError, match=r"letters, digits, \* and \?"):
            Pattern.parse(pattern)
    else:
        assert Pattern.parse(pattern).matches(CHANNEL) is matches


def test_an_empty_location_is_matched_by_dashes_nothing_and_the_star():
    channel = ChannelId("GG", "LH01", "", "EHZ")
    assert [Pattern.parse(f"GG.LH01.{code}.EHZ").matches(channel) for code in ("--", "", "*", "??", "10")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@given(st.lists(st.text("AB9*?", min_size=1, max_size=4), min_size=4, max_size=4))
def test_a_pattern_reads_back_from_its_name(parts):
    pattern = Pattern.parse(".".join(parts))
    assert Pattern.parse(str(pattern)) == pattern
    without = Pattern(parts[0], parts[1], "", parts[3])
    assert Pattern.parse(str(without)) == without


@pytest.mark.parametrize("text", ["", "GG", "GG.LH01.EHZ", "GG.LH01.10.EHZ.D", ".LH01.10.EHZ", "GG.LH01.10."])
def test_what_is_no_pattern_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"not a pattern NET\.STA\.LOC\.CHA, like GG"):
        Pattern.parse(text)
