import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couloir.kernels.grid import SPLICE, Grid, Piece, assemble

N = 40


def mask_of(grid: Grid) -> np.ndarray:
    held = np.zeros(len(grid.samples), bool)
    for first, last in grid.runs:
        held[first:last] = True
    return held


def cut(start, stop, truth):
    return Piece(start, truth[start:stop].copy())


def pieces_of(values):
    """Draw pieces of few different values, so that they overlap, agree and disagree in all ways."""
    return st.builds(
        lambda start, samples: Piece(start, np.array(samples, float if float in map(type, samples) else np.int32)),
        st.integers(-8, N + 4),
        st.lists(values, max_size=14),
    )


pieces = pieces_of(st.integers(0, 2))
torn = pieces_of(st.one_of(st.integers(0, 2), st.sampled_from([float("nan"), float("inf"), 1.0, 2.0])))


def runs_of(positions):
    stretches = []
    for position in sorted(positions):
        if stretches and position == stretches[-1][-1] + 1:
            stretches[-1].append(position)
        else:
            stretches.append([position])
    return stretches


def plain_assemble(given_pieces, n):
    """Lay samples into a dict one by one, as the docstring of `assemble` says."""
    held, disputed = {}, set()
    counts = {"duplicated": 0, "conflicting": 0, "bridged": 0, "not_finite": 0}
    whole = all(np.issubdtype(piece.samples.dtype, np.integer) for piece in given_pieces if len(piece.samples))
    for piece in sorted(given_pieces, key=lambda piece: piece.start):
        differing = []
        for position, value in enumerate(piece.samples.tolist(), start=piece.start):
            if not 0 <= position < n:
                continue
            if not np.isfinite(value):
                counts["not_finite"] += 1
            elif position not in held:
                held[position] = value
            else:
                counts["duplicated"] += 1
                if held[position] != value:
                    differing.append(position)
        counts["conflicting"] += len(differing)
        disputed.update(p for stretch in runs_of(differing) if len(stretch) > SPLICE for p in stretch)
    for position in disputed:
        del held[position]
    for gap in runs_of(set(range(n)) - held.keys()):
        a, b = gap[0] - 1, gap[-1] + 1
        if len(gap) <= SPLICE and a >= 0 and b < n:
            line = {p: held[a] + (held[b] - held[a]) * (p - a) / (b - a) for p in gap}
            held.update({p: round(value) if whole else value for p, value in line.items()})
            counts["bridged"] += len(gap)
    return held, counts


@settings(max_examples=400)
@given(st.one_of(st.lists(pieces, max_size=6), st.lists(torn, max_size=6)))
def test_grid_agrees_with_laying_samples_one_by_one(given_pieces):
    grid = assemble(given_pieces, N)
    held, counts = plain_assemble(given_pieces, N)
    assert np.flatnonzero(mask_of(grid)).tolist() == sorted(held)
    assert grid.samples[sorted(held)].tolist() == pytest.approx([held[p] for p in sorted(held)])
    assert vars(grid.counts) == counts


@settings(max_examples=200)
@given(st.data())
def test_pieces_that_agree_give_the_same_grid_in_any_order(data):
    truth = np.random.default_rng(0).integers(-1000, 1000, N).astype(np.int32)
    spans = data.draw(st.lists(st.tuples(st.integers(0, N), st.integers(0, N)), max_size=8))
    parts = [cut(min(span), max(span), truth) for span in spans]
    one, other = assemble(parts, N), assemble(data.draw(st.permutations(parts)), N)
    assert np.array_equal(one.runs, other.runs)
    assert np.array_equal(one.samples[mask_of(one)], other.samples[mask_of(other)])
    recorded = np.zeros(N, bool)
    for span in spans:
        recorded[min(span) : max(span)] = True
    assert np.array_equal(one.samples[recorded], truth[recorded])
    assert one.counts.conflicting == 0


@given(st.lists(pieces, max_size=6), st.randoms())
def test_pieces_of_different_starts_may_come_in_any_order(given_pieces, random):
    apart = list({piece.start: piece for piece in given_pieces}.values())
    shuffled = random.sample(apart, len(apart))
    one, other = assemble(apart, N), assemble(shuffled, N)
    assert np.array_equal(one.runs, other.runs)
    assert np.array_equal(one.samples, other.samples)
    assert one.counts == other.counts


def test_a_duplicated_record_counts_once():
    truth = np.arange(N, dtype=np.int32)
    grid = assemble([cut(0, N, truth), cut(10, 20, truth), cut(10, 20, truth)], N)
    assert grid.runs.tolist() == [[0, N]]
    assert np.array_equal(grid.samples, truth)
    assert (grid.counts.duplicated, grid.counts.conflicting) == (20, 0)


@pytest.mark.parametrize(("wrong", "runs"), [(SPLICE, [[0, 30]]), (SPLICE + 1, [[0, 17], [20, 30]])])
def test_a_disagreement_up_to_the_splice_keeps_the_earlier_record_and_a_longer_one_is_a_gap(wrong, runs):
    early, late = np.zeros(20, np.int32), np.ones(10 + wrong, np.int32)
    grid = assemble([Piece(20 - wrong, late), Piece(0, early)], 30)
    assert grid.runs.tolist() == runs
    assert grid.counts.conflicting == wrong
    if wrong == SPLICE:
        assert grid.samples.tolist() == [0] * 20 + [1] * 10


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_gaps_up_to_the_splice_are_bridged_by_a_line(gap):
    grid = assemble([Piece(0, np.full(10, 4, np.int32)), Piece(10 + gap, np.full(10, 10, np.int32))], 20 + gap)
    if gap > SPLICE:
        assert grid.runs.tolist() == [[0, 10], [10 + gap, 20 + gap]]
    else:
        assert grid.runs.tolist() == [[0, 20 + gap]]
        assert grid.samples[10 : 10 + gap].tolist() == ([7] if gap == 1 else [6, 8])
    assert grid.counts.bridged == (gap if gap <= SPLICE else 0)


def test_short_gaps_at_the_ends_of_the_grid_stay_gaps():
    assert assemble([Piece(1, np.ones(N - 2, np.int32))], N).runs.tolist() == [[1, N - 1]]


def test_integers_too_wide_for_32_bits_keep_their_values():
    samples = np.array([2**40, -(2**40), 2**40 + 1])
    assert assemble([Piece(0, samples)], 3).samples.tolist() == samples.tolist()
    assert assemble([Piece(0, np.array([2**32 - 1], np.uint32))], 1).samples.tolist() == [2**32 - 1]


def test_nothing_gives_a_grid_that_is_one_gap():
    grid = assemble([], 5)
    assert grid.runs.shape == (0, 2)
    assert np.isnan(grid.cut(0, 5)).all()


@given(st.lists(pieces, max_size=5), st.integers(-30, 60), st.integers(0, 50))
def test_a_window_holds_what_was_recorded_and_nan_elsewhere(given_pieces, start, length):
    grid = assemble(given_pieces, N)
    window = grid.cut(start, length)
    held = mask_of(grid)
    expected = [grid.samples[p] if 0 <= p < N and held[p] else np.nan for p in range(start, start + length)]
    assert window.dtype == np.float32
    np.testing.assert_array_equal(window, np.array(expected, np.float32))


@given(
    start=st.integers(-30, N + 5),
    length=st.integers(1, N + 20),
    spare=st.integers(0, 70),
    before=st.integers(0, 12),
    after=st.integers(0, 12),
    gaps=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_room_around_the_longest_piece_gives_the_same_grid(start, length, spare, before, after, gaps):
    rng = np.random.default_rng([start + 30, length])
    buffer = rng.integers(-99, 99, length + 2 * spare).astype(np.int32)
    middle = buffer[spare : spare + length]
    values = middle.copy()
    sides = [
        Piece(start - gaps[0] - before, rng.integers(0, 9, before).astype(np.int32)),
        Piece(start + length + gaps[1], rng.integers(0, 9, after).astype(np.int32)),
    ]
    plain = assemble([*sides, Piece(start, values)], N)
    roomy = assemble([*sides, Piece(start, middle, buffer)], N)
    assert np.array_equal(roomy.runs, plain.runs)
    held = mask_of(plain)
    assert np.array_equal(roomy.samples[held], plain.samples[held])
    assert np.array_equal(middle, values)
    if start >= 0 and start + length <= N and spare >= N and length > max(before, after):
        assert np.shares_memory(roomy.samples, buffer)
