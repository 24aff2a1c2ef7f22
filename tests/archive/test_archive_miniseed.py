import time
import tracemalloc

import damage
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymseed import MS3TraceList

from couloir.archive.miniseed import is_miniseed, read_miniseed
from couloir.errors import UnreadableError
from couloir.identifiers import day_start_ns

COUNTS = np.random.default_rng(0).integers(-(10**5), 10**5, 4_000).astype(np.int32)
RECORD = 512


def shuffled(data: bytes, order) -> bytes:
    records = [data[first : first + RECORD] for first in range(0, len(data), RECORD)]
    return b"".join(records[number] for number in order)


def test_records_in_any_order_make_one_trace(made):
    data = made.encode(made.trace(COUNTS))
    order = np.random.default_rng(1).permutation(len(data) // RECORD)
    (only,) = read_miniseed(shuffled(data, order)).traces
    assert np.array_equal(only.samples, COUNTS)
    assert (only.channel, only.start_ns) == (made.channel, day_start_ns(made.day))


def test_records_that_are_there_twice_are_all_given(made):
    data = made.encode(made.trace(COUNTS))
    found = read_miniseed(data + data[: 4 * RECORD])
    assert sum(len(trace.samples) for trace in found.traces) > len(COUNTS)
    assert max(len(trace.samples) for trace in found.traces) == len(COUNTS)


def test_version_3_is_read(made):
    records = MS3TraceList()
    records.add_data(
        sourceid="FDSN:XX_AAA_00_H_H_Z",
        data_samples=COUNTS,
        sample_type="i",
        sample_rate=20.0,
        starttime=day_start_ns(made.day),
    )
    data = b"".join(records.generate(format_version=3))
    assert is_miniseed(data)
    (only,) = read_miniseed(data).traces
    assert (only.channel, only.sampling_rate) == (made.channel, 20.0)
    assert np.array_equal(only.samples, COUNTS)


@pytest.mark.parametrize("junk", [b"", b"\0" * 700, b"<html>" * 40, bytes(range(256)) * 3], ids=len)
def test_what_lies_between_records_is_passed_over_and_told(made, junk):
    data = made.encode(made.trace(COUNTS))
    found = read_miniseed(data[: 5 * RECORD] + junk + data[5 * RECORD :])
    assert np.array_equal(np.concatenate([trace.samples for trace in found.traces]), COUNTS)
    assert bool(found.damaged) == bool(junk)


def test_a_record_that_says_it_is_longer_than_it_is_costs_no_other(made):
    data = bytearray(made.encode(made.trace(COUNTS)))
    data[3 * RECORD + 54] = 10  # 1,024 bytes: the next record would be taken for a part of this one
    found = read_miniseed(bytes(data))
    expected = read_miniseed(bytes(data[: 3 * RECORD] + data[4 * RECORD :])).traces
    assert "longer than it is" in found.damaged[0]
    assert [trace.start_ns for trace in found.traces] == [trace.start_ns for trace in expected]
    assert sum(len(trace.samples) for trace in found.traces) == sum(len(trace.samples) for trace in expected)


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 20 * RECORD), hits=st.lists(st.tuples(st.integers(0, 20 * RECORD), st.binary(max_size=90)))
)
def test_whatever_the_damage_what_comes_is_of_the_recording(made, cut, hits):
    data = bytearray(made.encode(made.trace(COUNTS)))
    touched = set()
    for position, bytes_ in hits:
        held = data[position : position + len(bytes_)]
        data[position : position + len(held)] = bytes_[: len(held)]
        touched |= {position // RECORD, (position + len(held)) // RECORD}
    data = bytes(data[: len(data) - cut])
    found = read_miniseed(data)
    whole = [number for number in range(len(data) // RECORD) if number not in touched]
    fresh = read_miniseed(b"".join(data[number * RECORD : (number + 1) * RECORD] for number in whole))
    there = samples_by_time(found)
    for moment, value in samples_by_time(fresh).items():  # no sound record is lost or altered
        assert value <= there[moment]


def samples_by_time(recording) -> dict[int, set[int]]:
    """Say which values there are at each moment: a damaged record may claim the time of a sound one."""
    held = {}
    for trace in recording.traces:
        for position, value in enumerate(trace.samples.tolist()):
            if trace.sampling_rate > 0:
                moment = round((trace.start_ns + position * 1e9 / trace.sampling_rate) / 1e6)
                held.setdefault(moment, set()).add(value)
    return held


LOOKALIKES = {
    "version 2": b"000001D ",
    "version 3": b"MS\x03",
    "whole headers": None,
}


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_a_file_of_lookalikes_ends_at_its_limit_and_says_so(made, kind):
    record = made.encode(made.trace(COUNTS))[:RECORD]
    alike = LOOKALIKES[kind] or record[:48]
    data = record + alike * (40_000_000 // len(alike))
    began = time.thread_time()
    with pytest.raises(UnreadableError, match=r"took longer than 0\.5 s"):
        read_miniseed(data, limit_s=0.5)
    assert time.thread_time() - began < 3


def test_four_times_the_lookalikes_take_about_four_times_the_time(made):
    record = made.encode(made.trace(COUNTS))[:RECORD]
    seconds = []
    for number in (10_000, 40_000):
        began = time.thread_time()
        found = read_miniseed(record + b"MS\x03" * number)
        seconds.append(time.thread_time() - began)
        assert found.left_out > number / 2
        assert len(found.damaged) <= 50
    assert seconds[1] < 4 * 2.5 * seconds[0]


def test_records_that_do_not_join_end_at_the_limit_too(made):
    data = made.encode(made.trace(np.tile(COUNTS, 500)))
    count = len(data) // RECORD
    order = np.random.default_rng(0).permutation(np.arange(0, count, 2))
    with pytest.raises(UnreadableError, match="took longer"):
        read_miniseed(shuffled(data, np.tile(order, 4)), limit_s=0.3)


def test_a_header_that_promises_billions_of_samples_takes_no_memory():
    (source,) = [source for source in damage.sound_sources() if source.kind == "mseed version 3"]
    promised = damage._put(source.data, 24, (4_000_000_000).to_bytes(4, "little"))
    tracemalloc.start()
    found = read_miniseed(damage._resealed(promised))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "4000000000 samples are said to be in" in found.damaged[0]
    assert found.left_out == 1
    assert sum(len(trace.samples) for trace in found.traces) > 2_000
    assert peak < 10e6


def failing(data: bytes, records) -> bytes:
    """Spoil the last sample that records note for themselves."""
    spoiled = bytearray(data)
    for number in records:
        spoiled[RECORD * number + 72 : RECORD * number + 76] = (12_345).to_bytes(4, "big")
    return bytes(spoiled)


def test_a_record_that_fails_its_checksum_is_left_out(made):
    data = made.encode(made.trace(COUNTS))
    found = read_miniseed(failing(data, [3]))
    expected = read_miniseed(data[: 3 * RECORD] + data[4 * RECORD :])
    assert found.left_out == 1
    assert "checksum" in found.damaged[0]
    assert [len(trace.samples) for trace in found.traces] == [len(trace.samples) for trace in expected.traces]


def test_records_that_all_fail_their_checksum_are_their_writers_way(made):
    data = made.encode(made.trace(COUNTS))
    found = read_miniseed(failing(data, range(len(data) // RECORD)))
    assert np.array_equal(found.traces[0].samples, COUNTS)
    assert found.left_out == 0
    assert "integrity" in found.warnings[0]
    assert found.warnings == tuple(dict.fromkeys(found.warnings))
