import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest

from couloir.archive.decode import decode
from couloir.archive.miniseed import is_miniseed
from couloir.errors import UnreadableError
from couloir.identifiers import ChannelId, day_start_ns

COUNTS = np.random.default_rng(0).integers(-(10**5), 10**5, 5_000).astype(np.int32)


def read(data, made, name="some/file"):
    return decode(data, made.channel, name=name)


@pytest.mark.parametrize("reclen", [512, 4096])
def test_miniseed_gives_samples_rate_and_time(made, reclen):
    data = made.encode(made.trace(COUNTS, after=12.5), reclen=reclen)
    found = read(data, made)
    assert is_miniseed(data)
    assert found.remarks == ()
    (only,) = found.traces
    assert np.array_equal(only.samples, COUNTS)
    assert only.sampling_rate == 20.0
    assert only.start_ns == day_start_ns(made.day) + 12_500_000_000
    assert only.end_ns == only.start_ns + 250_000_000_000
    assert only.duration_s == 250.0


@pytest.mark.parametrize("fmt", ["SAC", "GSE2", "TSPAIR", "SLIST"])
def test_other_formats_are_recognised_by_their_content(made, fmt):
    samples = COUNTS.astype(np.float32) if fmt == "SAC" else COUNTS
    data = made.encode(made.trace(samples), fmt=fmt)
    assert not is_miniseed(data)
    (only,) = read(data, made).traces
    assert np.array_equal(only.samples, samples)
    assert only.start_ns == day_start_ns(made.day)
    assert only.sampling_rate == pytest.approx(20.0, rel=1e-6)


def test_several_traces_of_one_object_all_come(made):
    data = made.encode(made.trace(COUNTS[:700]), made.trace(COUNTS[900:], after=45.0))
    assert [len(found.samples) for found in read(data, made).traces] == [700, 4_100]


def test_text_under_a_miniseed_name_is_unreadable(made):
    with pytest.raises(UnreadableError, match=r"XX\.AAA\.00\.HHZ.*does not decode"):
        read(b"<html><body>404 Not Found</body></html>\n" * 40, made, name="2024/XX.AAA.00.HHZ.D.2024.066")


def test_an_empty_object_is_unreadable(made):
    with pytest.raises(UnreadableError, match=r"some/file is empty \(0 bytes\)"):
        read(b"", made)


def test_a_header_without_data_is_unreadable(made):
    with pytest.raises(UnreadableError, match="some/file"):
        read(made.encode(made.trace(COUNTS))[:200], made)


def test_a_truncated_file_gives_its_whole_records(made):
    data = made.encode(made.trace(COUNTS))
    found = read(data[: 10 * 512 + 100], made)
    held = np.concatenate([part.samples for part in found.traces])
    assert 0 < len(held) < len(COUNTS)
    assert np.array_equal(held, COUNTS[: len(held)])


def test_noise_after_good_records_leaves_these(made):
    garbage = np.random.default_rng(1).bytes(512)
    found = read(made.encode(made.trace(COUNTS)) + garbage, made)
    assert np.array_equal(found.traces[0].samples, COUNTS)


def test_a_wrong_station_inside_is_refused_and_named(made):
    other = ChannelId("XX", "BBB", "00", "HHZ")
    with pytest.raises(UnreadableError, match=r"holds records of XX\.BBB\.00\.HHZ, expected XX\.AAA\.00\.HHZ"):
        read(made.encode(made.trace(COUNTS, channel=other)), made)
    both = read(made.encode(made.trace(COUNTS), made.trace(COUNTS[:500], channel=other)), made)
    assert [len(found.samples) for found in both.traces] == [5_000]
    assert len(both.remarks) == 1


def test_codes_that_a_header_leaves_empty_are_trusted(made):
    nameless = made.trace(COUNTS.astype(np.float32), channel=ChannelId("", "AAA", "", "HHZ"))
    assert len(read(made.encode(nameless, fmt="SAC"), made).traces) == 1


@pytest.mark.parametrize("rate", [1e6, 20_000.0])
def test_an_absurd_rate_is_refused_and_told(made, rate):
    bad = made.trace(COUNTS, rate=rate)
    with pytest.raises(UnreadableError, match="sampling rate of"):
        read(made.encode(bad), made)
    mixed = read(made.encode(made.trace(COUNTS), made.trace(COUNTS[:500], rate=rate, after=900.0)), made)
    assert [found.sampling_rate for found in mixed.traces] == [20.0]
    assert "sampling rate" in mixed.remarks[0]


@pytest.mark.parametrize("damage", [bytes(512), b"\xff" * 6, b"junk before the first record " * 40])
def test_a_damaged_beginning_costs_no_more_than_itself(made, damage):
    data = made.encode(made.trace(COUNTS))
    rest = data if damage.startswith(b"junk") else data[len(damage) :]
    found = read(damage + rest, made)
    held = np.concatenate([part.samples for part in found.traces])
    assert len(held) >= len(COUNTS) - 250
    assert np.array_equal(held, COUNTS[-len(held) :])
    assert "some/file: 1 records do not decode" in found.remarks[0] or damage.startswith(b"junk")


def test_records_without_blockette_1000_are_taken_for_steim_1(made):
    data = bytearray()
    with tempfile.NamedTemporaryFile() as file:
        made.trace(COUNTS).write(file.name, format="MSEED", encoding="STEIM1", reclen=512)
        data += Path(file.name).read_bytes()
    for first in range(0, len(data), 512):
        data[first + 39] = 0  # no blockettes ...
        data[first + 46 : first + 48] = bytes(2)  # ... and none to begin with
    found = read(bytes(data), made)
    assert np.array_equal(np.concatenate([part.samples for part in found.traces]), COUNTS)


def test_bytes_at_the_end_that_are_no_record_are_told(made):
    data = made.encode(made.trace(COUNTS))
    found = read(data + data[:39], made)
    assert np.array_equal(found.traces[0].samples, COUNTS)
    assert "39 bytes at the end are no record" in found.remarks[0]
    assert read(data + bytes(30), made).remarks == ()


def test_damaged_records_are_left_out_and_told_and_the_others_kept(made):
    data = bytearray(made.encode(made.trace(COUNTS)))
    for record in (3, 4, 17):
        data[512 * record + 200 : 512 * record + 260] = bytes(range(60))
    found = read(bytes(data), made)
    expected = read(bytes(made.encode(made.trace(COUNTS))), made).traces[0]
    assert expected.samples.size * 0.8 < sum(len(part.samples) for part in found.traces) < expected.samples.size
    for part in found.traces:
        first = round((part.start_ns - expected.start_ns) * 20 / 1e9)
        assert np.array_equal(part.samples, COUNTS[first : first + len(part.samples)])
    (remark,) = found.remarks
    assert "some/file: 3 records do not decode" in remark


def test_samples_that_fail_their_own_checksum_are_told(made):
    data = bytearray(made.encode(made.trace(COUNTS)))
    data[512 * 3 + 64 + 8 : 512 * 3 + 64 + 12] = (12_345).to_bytes(4, "big")  # the record's own last sample
    (remark,) = read(bytes(data), made).remarks
    assert "integrity" in remark


class Harmful:
    def __reduce__(self):
        return os.mkdir, (os.environ["COULOIR_TEST_TARGET"],)


def test_code_in_a_pickle_is_not_run(made, tmp_path, monkeypatch):
    target = tmp_path / "made by the pickle"
    monkeypatch.setenv("COULOIR_TEST_TARGET", str(target))
    data = pickle.dumps(("obspy.core.stream", Harmful()))
    monkeypatch.delenv("COULOIR_TEST_TARGET")
    with pytest.raises(UnreadableError, match="does not decode"):
        read(data, made)
    assert not target.exists()
