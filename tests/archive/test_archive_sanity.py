import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couloir.archive.sanity import MAX_RATES, assemble_apart, outside_day, settle_rates
from couloir.archive.trace import Trace
from couloir.identifiers import DAY_NS, NS_PER_S, day_start_ns
from couloir.kernels.grid import Piece, assemble


def trace(made, after_s, n, rate=20.0):
    start = day_start_ns(made.day) + round(after_s * NS_PER_S)
    return Trace(made.channel, start, rate, np.arange(n, dtype=np.int32))


def test_pieces_of_another_time_are_counted_with_their_span(made):
    start = day_start_ns(made.day)
    pieces = [trace(made, 0, 100), trace(made, 86_399, 100), trace(made, -(10**9), 50), trace(made, 10**9, 70)]
    assert outside_day(pieces[:2], start) is None
    told = outside_day(pieces, start)
    assert told.startswith("2 pieces (120 samples) outside the day left out, from 1992-06-27T")
    assert "to 2055-11-13T" in told


def test_a_time_beyond_the_calendar_is_told_too(made):
    far = Trace(made.channel, 10_000 * 365 * DAY_NS, 20.0, np.arange(9))
    assert "from 11963 to 11963" in outside_day([far], day_start_ns(made.day))


@pytest.mark.parametrize("rate", [2.0, 1.0, 21.0])
def test_a_piece_of_another_rate_that_claims_recorded_time_is_left_out(made, rate):
    main = [trace(made, 0, 400), trace(made, 40, 400)]
    kept, remarks = settle_rates([main[0], trace(made, 20, 400, rate), main[1]])
    kept_times = [piece.start_ns for group in kept.values() for piece in group if piece.sampling_rate == 20.0]
    assert kept_times == [piece.start_ns for piece in main]
    assert (rate in kept) == (rate == 21.0)  # 400 samples at 21 Hz fit in the gap that they came from
    assert bool(remarks) == (rate != 21.0)


def test_a_change_of_rate_keeps_both(made):
    kept, remarks = settle_rates([trace(made, 0, 400), trace(made, 20, 900, 40.0)])
    assert sorted(kept) == [20.0, 40.0]
    assert remarks == []


def test_of_countless_rates_those_with_most_samples_are_kept(made):
    pieces = [trace(made, 100 * number, 100 + number, 50.0 + number) for number in range(40)]
    kept, (remark,) = settle_rates(pieces)
    assert sorted(kept) == [50.0 + number for number in range(40 - MAX_RATES, 40)]
    assert remark == "40 sampling rates: pieces of 32 of them left out"


pieces_of_a_grid = st.lists(
    st.tuples(st.integers(-30, 120), st.lists(st.integers(-3, 3), max_size=25)), max_size=12
)


@settings(max_examples=300, deadline=None)
@given(pieces_of_a_grid)
def test_pieces_put_together_apart_are_those_of_the_whole_grid(rows):
    pieces = [Piece(start, np.array(values, np.int32)) for start, values in rows]
    whole = assemble(pieces, 100)
    runs, counts = assemble_apart(pieces, 100)
    assert [(run.start, run.end) for run in runs] == [(int(a), int(b)) for a, b in whole.runs]
    for run, (a, b) in zip(runs, whole.runs, strict=True):
        assert np.array_equal(run.samples, whole.samples[a:b])
    assert counts == whole.counts
