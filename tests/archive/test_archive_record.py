import datetime as dt
import tracemalloc
from dataclasses import dataclass, field

import fsspec
import numpy as np
import pytest

from couloir.archive.fetch import Fetcher
from couloir.archive.miniseed import read_miniseed
from couloir.archive.record import DayReader
from couloir.errors import UnreadableError
from couloir.identifiers import DAY_NS, NS_PER_S, ChannelId, day_start_ns
from couloir.kernels.grid import SPLICE

RATE = 5.0
N = round(86_400 * RATE)
CONTEXT_S = 20.0
MARGIN = round(CONTEXT_S * RATE)
BEFORE, DAY, AFTER = (dt.date(2024, 3, 6) + dt.timedelta(days=i) for i in (-1, 0, 1))


def counts(day, component="Z", n=N):
    return np.random.default_rng([day.toordinal(), ord(component)]).integers(-1000, 1000, n).astype(np.int32)


@dataclass
class Archive:
    """Write days of one sensor, and read one of them."""

    sds: object
    made: object
    objects: list = field(default_factory=list)

    def put(self, day, *pieces, component="Z", raw=None, rate=RATE):
        """Write pieces, each as (seconds after midnight, samples); the whole day where there are none."""
        channel = ChannelId("XX", "AAA", "00", f"HH{component}")
        pieces = pieces or ((0.0, counts(day, component)),)
        traces = [self.made.trace(s, after=after, rate=rate, channel=channel, day=day) for after, s in pieces]
        data = self.made.encode(*traces) if raw is None else raw
        self.objects.append(self.sds.put(data, channel=channel, day=day))
        return self

    def read(self, rate=RATE, day=DAY, context_s=CONTEXT_S):
        reader = DayReader(Fetcher(fsspec.filesystem("file")), self.sds.files(*self.objects), rate, context_s)
        return reader.read(day)


@pytest.fixture
def archive(sds, made):
    return Archive(sds, made)


def held(grid):
    mask = np.zeros(len(grid.samples), bool)
    for first, last in grid.runs:
        mask[first:last] = True
    return mask


def test_a_day_lies_between_the_ends_of_its_neighbours(archive):
    record = archive.put(BEFORE).put(DAY).put(AFTER).read()
    grid = record.components["Z"]
    assert record.own == slice(MARGIN, MARGIN + N)
    assert grid.runs.tolist() == [[0, N + 2 * MARGIN]]
    expected = [counts(BEFORE)[-MARGIN:], counts(DAY), counts(AFTER)[:MARGIN]]
    assert np.array_equal(grid.samples, np.concatenate(expected))
    assert record.remarks == ()
    assert record.time_ns(record.own.start) == day_start_ns(DAY)
    assert record.time_ns(record.own.stop) == day_start_ns(DAY) + DAY_NS


def test_both_days_see_the_same_samples_around_midnight(archive):
    archive.put(DAY).put(AFTER)
    early, late = archive.read(), archive.read(day=AFTER)
    around = slice(N, N + 2 * MARGIN), slice(0, 2 * MARGIN)
    assert np.array_equal(early.components["Z"].samples[around[0]], late.components["Z"].samples[around[1]])
    assert early.time_ns(N) == late.time_ns(0)


def test_a_day_without_neighbours_has_gaps_there(archive):
    assert archive.put(DAY).read().components["Z"].runs.tolist() == [[MARGIN, MARGIN + N]]


def test_a_neighbour_that_does_not_decode_costs_only_its_own_end(archive):
    record = archive.put(DAY).put(AFTER, raw=b"not seismic at all" * 100).read()
    assert record.components["Z"].runs.tolist() == [[MARGIN, MARGIN + N]]
    assert any(remark.startswith("neighbour day:") for remark in record.remarks)


def test_numbered_orientations_are_laid_as_the_components_they_stand_for(archive):
    record = archive.put(DAY, component="1").put(DAY, component="2").put(DAY, component="Z").read()
    own = {name: grid.samples[record.own] for name, grid in record.components.items()}
    assert np.array_equal(own["N"], counts(DAY, "1"))
    assert np.array_equal(own["E"], counts(DAY, "2"))
    assert sorted(own) == ["E", "N", "Z"]


def test_duplicated_records_count_once_and_are_told(archive):
    day = counts(DAY)
    record = archive.put(DAY, (0.0, day), (3_600.0, day[18_000:20_000])).read()
    assert np.array_equal(record.components["Z"].samples[record.own], day)
    assert record.remarks == ("Z: 2000 samples duplicated",)


@pytest.mark.parametrize("equal", [True, False])
def test_one_sample_that_both_days_hold_at_midnight_is_taken_from_the_earlier(archive, equal):
    first = counts(AFTER)[0]
    seam = first if equal else first + 77
    early = np.append(counts(DAY), seam).astype(np.int32)
    archive.put(DAY, (0.0, early)).put(AFTER)
    for day, position in ((DAY, MARGIN + N), (AFTER, MARGIN)):
        record = archive.read(day=day)
        grid = record.components["Z"]
        assert grid.samples[position] == seam
        assert grid.runs.tolist() == [[MARGIN, N + 2 * MARGIN]] if day == DAY else [[0, MARGIN + N]]
        told = ["Z: 1 samples duplicated"] + ([] if equal else ["Z: 1 samples in disagreement"])
        assert list(record.remarks) == told


def test_records_that_contradict_each_other_become_a_gap(archive):
    day = counts(DAY)
    record = archive.put(DAY, (0.0, day), (3_600.0, day[18_000:20_000] + 5)).read()
    grid = record.components["Z"]
    assert grid.runs.tolist() == [[MARGIN, MARGIN + 18_000], [MARGIN + 20_000, MARGIN + N]]
    assert "Z: 2000 samples in disagreement" in record.remarks


def test_gaps_stay_gaps_and_a_lost_sample_is_bridged(archive):
    day = counts(DAY)
    pieces = [(0.0, day[:1_000]), (1_001 / RATE, day[1_001:50_000]), (12_000.0, day[60_000:])]
    record = archive.put(DAY, *pieces).read()
    grid = record.components["Z"]
    assert grid.runs.tolist() == [[MARGIN, MARGIN + 50_000], [MARGIN + 60_000, MARGIN + N]]
    assert grid.samples[MARGIN + 1_000] == pytest.approx((day[999] + day[1_001]) / 2, abs=0.51)
    assert record.remarks == ("Z: 1 samples bridged",)


def test_a_header_that_is_off_by_half_a_millionth_is_taken_for_nominal(archive):
    archive.put(BEFORE, rate=RATE * (1 + 5e-7)).put(DAY, rate=RATE * (1 + 5e-7))
    record = archive.read()
    grid = record.components["Z"]
    assert grid.runs.tolist() == [[0, MARGIN + N]]
    assert np.array_equal(grid.samples[record.own], counts(DAY))
    assert record.remarks == ()


def test_a_rate_that_is_really_off_is_resampled_to_its_own_time(archive):
    rate = float(np.float32(RATE * 1.00003))  # as a header holds it
    n = round(86_400 * rate)
    wave = 10_000 * np.sin(2 * np.pi * 0.7 * np.arange(n) / rate)
    record = archive.put(DAY, (0.0, np.rint(wave).astype(np.int32)), rate=rate).read()
    time = np.arange(N) / RATE
    found = record.components["Z"].samples[record.own]
    assert np.abs(found - 10_000 * np.sin(2 * np.pi * 0.7 * time))[200:-200].max() < 5
    assert any("resampled from 5.00015 Hz" in remark for remark in record.remarks)


@pytest.mark.parametrize("rate", [20.0, 2.5])
def test_recordings_of_another_rate_are_resampled(archive, rate):
    n = round(86_400 * rate)

    def wave(time):
        return 9_000 * np.sin(2 * np.pi * 0.5 * time) + 40_000

    samples = np.rint(wave(np.arange(n) / rate)).astype(np.int32)
    first, last = round(n / 4), round(n / 2)
    pieces = [(0.0, samples[:first]), (last / rate, samples[last:]), (last / rate, samples[last : last + 1_000])]
    record = archive.put(DAY, *pieces, rate=rate).read()
    grid = record.components["Z"]
    assert np.abs(grid.runs - MARGIN - [[0, N / 4], [N / 2, N]]).max() <= 2
    time = np.arange(N) / RATE
    inner = held(grid)[record.own] & (time % 21_600 > 60) & (time % 21_600 < 21_540)
    assert np.abs(grid.samples[record.own] - wave(time))[inner].max() < 3
    assert record.remarks == (f"Z: resampled from {rate:g} Hz", "Z: 1000 samples duplicated")


def test_a_change_of_rate_within_a_day_leaves_no_gap(archive, made):
    half = N // 2
    coarse = np.full(half // 2, 500, np.int32)
    data = made.encode(
        made.trace(np.full(half, 500, np.int32), rate=RATE, day=DAY),
        made.trace(coarse, after=43_200.0, rate=RATE / 2, day=DAY),
    )
    record = archive.put(DAY, raw=data).read()
    assert record.components["Z"].runs.tolist() == [[MARGIN, MARGIN + N]]
    assert np.allclose(record.components["Z"].samples[record.own], 500)


def test_one_component_of_three_that_does_not_decode_is_left_out_and_told(archive):
    archive.put(DAY, component="Z").put(DAY, component="E", raw=b"\0" * 4096).put(DAY, component="N")
    record = archive.read()
    assert sorted(record.components) == ["N", "Z"]
    assert any("HHE" in remark for remark in record.remarks)


def test_a_day_of_which_nothing_decodes_is_unreadable(archive):
    archive.put(BEFORE).put(DAY, raw=b"text" * 1000).put(DAY, component="N", raw=b"").put(AFTER)
    with pytest.raises(UnreadableError, match=r"HHZ[\s\S]*HHN|HHN[\s\S]*HHZ"):
        archive.read()


def test_a_file_with_another_days_records_has_no_samples_of_this_day(archive):
    archive.put(DAY, (5 * 86_400.0, counts(DAY))).put(AFTER)
    record = archive.read()
    assert record.components == {}
    assert any("holds no samples of 2024-03-06" in remark for remark in record.remarks)


@pytest.mark.parametrize("gap_s", [0.0, 3.0])
def test_records_behind_midnight_are_used_whichever_days_file_holds_them(archive, gap_s):
    """A file runs on for ten seconds; the next day's begins only after them."""
    spill = counts(AFTER)[:50]
    lost = round(gap_s * RATE)
    archive.put(DAY, (0.0, counts(DAY)), (86_400.0 + gap_s, spill[lost:])).put(AFTER, (10.0, counts(AFTER)[50:]))
    early, late = archive.read(), archive.read(day=AFTER)
    expected = np.ones(MARGIN, bool)
    expected[:lost] = False
    for grid, first in ((early.components["Z"], MARGIN + N), (late.components["Z"], MARGIN)):
        assert np.array_equal(held(grid)[first : first + MARGIN], expected)
        assert np.array_equal(grid.samples[first : first + MARGIN][expected], counts(AFTER)[:MARGIN][expected])


def test_records_that_lie_half_a_sample_off_the_grid_go_to_the_nearest(archive):
    record = archive.put(DAY, (0.09, counts(DAY)[:1_000])).read()
    assert record.components["Z"].runs.tolist() == [[MARGIN, MARGIN + 1_000]]
    assert record.time_ns(MARGIN) == day_start_ns(DAY)
    assert record.time_ns(MARGIN + 1) - record.time_ns(MARGIN) == round(NS_PER_S / RATE)


def records_of(data):
    return [data[first : first + 512] for first in range(0, len(data), 512)]


def test_records_of_another_time_are_left_out_and_told(archive):
    data = records_of(archive.made.encode(archive.made.trace(counts(DAY)[:20_000], rate=RATE)))
    for number, year in ((3, 1970), (4, 1970), (7, 2030)):
        data[number] = data[number][:20] + year.to_bytes(2, "big") + data[number][22:]
    record = archive.put(DAY, raw=b"".join(data)).read()
    (told,) = [remark for remark in record.remarks if "outside the day" in remark]
    assert "2 pieces" in told
    assert "from 1970-03-" in told
    assert "to 2030-03-" in told
    grid = record.components["Z"]
    there = held(grid)[MARGIN : MARGIN + 20_000]
    assert 0 < np.count_nonzero(~there) < 20_000 * 4 / len(data)
    assert np.array_equal(grid.samples[MARGIN : MARGIN + 20_000][there], counts(DAY)[:20_000][there])


def test_a_record_of_an_absurd_rate_does_not_lay_out_a_day_of_it(archive):
    data = records_of(archive.made.encode(archive.made.trace(counts(DAY)[:20_000], rate=RATE)))
    data[-1] = data[-1][:32] + (9_973).to_bytes(2, "big") + (1).to_bytes(2, "big") + data[-1][36:]
    archive.put(DAY, raw=b"".join(data))
    tracemalloc.start()
    record = archive.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert any("resampled from 9973 Hz" in remark for remark in record.remarks)
    assert peak < 100e6  # a day at 9,973 Hz would be 3,400 MB


def test_a_file_full_of_faults_gives_a_handful_of_remarks(archive):
    rng = np.random.default_rng(0)
    data = records_of(archive.made.encode(archive.made.trace(counts(DAY), rate=RATE)))
    for number in range(0, len(data), 2):
        wrong = rng.integers(65, 91, 5, np.uint8).tobytes() if number % 4 else data[number][8:13]
        rate = int(rng.integers(11_000, 32_000)).to_bytes(2, "big")
        data[number] = data[number][:8] + wrong + data[number][13:32] + rate + data[number][34:]
    record = archive.put(DAY, raw=b"".join(data)).read()
    assert len(data) > 500
    assert len(record.remarks) < 10
    assert all(len(remark) < 700 for remark in record.remarks)
    assert any(" and " in remark and "holds records of" in remark for remark in record.remarks)


TIME = (*range(20, 30), 36, *range(40, 44))
"""Bytes of a record's start time: a wrong one may claim the time of sound records; then neither is believed."""


@pytest.mark.parametrize("position", [*range(64), 68, 72, 100, 300, 500])
def test_whatever_is_damaged_in_a_record_costs_no_other(archive, position):
    n, number = 3_000, 5
    sound = archive.made.encode(archive.made.trace(counts(DAY)[:n], rate=RATE))
    data = records_of(sound)
    alone = read_miniseed(data[number]).traces[0]
    first = MARGIN + round((alone.start_ns - day_start_ns(DAY)) * RATE / NS_PER_S)
    others = np.ones(n, bool)
    others[first - MARGIN : first - MARGIN + len(alone.samples)] = False
    for value in (0, 1, 2, 15, 77, 128, 255):
        spoiled = [*data]
        spoiled[number] = data[number][:position] + bytes([value]) + data[number][position + 1 :]
        archive.objects.clear()
        record = archive.put(DAY, raw=b"".join(spoiled)).read()
        grid = record.components["Z"]
        lost = others & ~held(grid)[MARGIN : MARGIN + n]
        wrong = others & ~lost & (grid.samples[MARGIN : MARGIN + n] != counts(DAY)[:n])
        assert np.count_nonzero(lost) <= (len(alone.samples) + SPLICE if position in TIME else 0)
        assert np.count_nonzero(wrong) <= (SPLICE if position in TIME else 0)
