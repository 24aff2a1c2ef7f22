import fsspec
import numpy as np
import pytest

from couloir.archive.fetch import Fetcher
from couloir.errors import UnreachableError
from couloir.identifiers import DAY_NS, NS_PER_S, day_start_ns

RATE = 20.0
COUNTS = np.random.default_rng(0).integers(-(10**5), 10**5, round(86_400 * RATE / 4)).astype(np.int32)
QUARTER_S = 21_600.0
REACH = 35 * NS_PER_S


@pytest.fixture
def fetcher():
    return Fetcher(fsspec.filesystem("file"))


def samples_in(decoded, start_ns, end_ns):
    """Give the samples of a period, by their time."""
    held = {}
    for part in decoded.traces:
        for number in range(len(part.samples)):
            time = part.start_ns + round(number * NS_PER_S / part.sampling_rate)
            if start_ns <= time < end_ns:
                held[time] = int(part.samples[number])
    return held


@pytest.mark.parametrize("reclen", [512, 4096])
def test_the_head_is_a_few_kilobytes_and_the_same_samples_as_the_whole(made, sds, fetcher, reclen):
    item = sds.put(made.encode(made.trace(COUNTS), reclen=reclen))
    start = day_start_ns(made.day)
    head = fetcher.head(item, start + REACH)
    assert fetcher.bytes_read <= 32 * 1024 < item.size / 10
    expected = samples_in(fetcher.whole(item), start, start + REACH)
    assert len(expected) == 700
    assert samples_in(head, start, start + REACH) == expected


@pytest.mark.parametrize("reclen", [512, 4096])
def test_the_tail_is_a_few_kilobytes_and_the_same_samples_as_the_whole(made, sds, fetcher, reclen):
    item = sds.put(made.encode(made.trace(COUNTS, after=86_400 - QUARTER_S), reclen=reclen))
    end = day_start_ns(made.day) + DAY_NS
    tail = fetcher.tail(item, end - REACH)
    assert fetcher.bytes_read <= 32 * 1024 < item.size / 10
    expected = samples_in(fetcher.whole(item), end - REACH, end)
    assert len(expected) == 700
    assert samples_in(tail, end - REACH, end) == expected


def test_a_longer_reach_takes_more_bytes_but_not_all(made, sds, fetcher):
    item = sds.put(made.encode(made.trace(COUNTS)))
    start, reach = day_start_ns(made.day), 2_000 * NS_PER_S
    expected = samples_in(Fetcher(fetcher.file_system).whole(item), start, start + reach)
    assert samples_in(fetcher.head(item, start + reach), start, start + reach) == expected
    assert 32 * 1024 < fetcher.bytes_read < item.size


def test_records_that_were_filled_in_later_are_found_at_both_ends(made, sds, fetcher):
    """Live records first, then those that telemetry lost: neither end of the file is an end of the day."""
    live = made.encode(made.trace(COUNTS[:200_000], after=43_200.0))
    early = made.encode(made.trace(COUNTS[200_000:300_000]))
    item = sds.put(live + early)
    start = day_start_ns(made.day)
    head = samples_in(fetcher.head(item, start + REACH), start, start + REACH)
    assert list(head.values()) == COUNTS[200_000:200_700].tolist()
    last = start + round((43_200 + 10_000) * NS_PER_S)
    tail = samples_in(fetcher.tail(item, last - REACH), last - REACH, last)
    assert list(tail.values()) == COUNTS[199_300:200_000].tolist()


def test_a_file_that_is_no_miniseed_is_read_whole(made, sds, fetcher):
    item = sds.put(made.encode(made.trace(COUNTS.astype(np.float32)), fmt="SAC"))
    start = day_start_ns(made.day)
    assert np.array_equal(fetcher.head(item, start + REACH).traces[0].samples, COUNTS)
    assert np.array_equal(fetcher.tail(item, start + REACH).traces[0].samples, COUNTS)


def test_a_file_cut_off_within_a_record_still_gives_its_tail(made, sds, fetcher):
    data = made.encode(made.trace(COUNTS))
    item = sds.put(data[:-300])
    tail = fetcher.tail(item, day_start_ns(made.day) + 21_000 * NS_PER_S)
    assert max(part.end_ns for part in tail.traces) > day_start_ns(made.day) + 21_500 * NS_PER_S


def test_bytes_and_seconds_are_counted(made, sds, fetcher):
    item = sds.put(made.encode(made.trace(COUNTS[:5_000])))
    fetcher.whole(item)
    fetcher.whole(item)
    assert fetcher.bytes_read == 2 * item.size
    assert fetcher.seconds["read"] > 0
    assert fetcher.seconds["decode"] > 0


def test_an_object_that_is_gone_is_unreachable(made, sds, fetcher):
    item = sds.put(b"x")
    fetcher.file_system.rm(item.path)
    with pytest.raises(UnreachableError, match=r"XX\.AAA\.00\.HHZ\.D\.2024\.066 cannot be fetched"):
        fetcher.whole(item)
