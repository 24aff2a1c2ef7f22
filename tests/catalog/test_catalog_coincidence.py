import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couloir.catalog.coincidence import NONE, associate

triggers = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=40)


def run(pairs, at_least=2, within=5):
    onsets, stations = (np.array([pair[k] for pair in pairs], np.int64) for k in (0, 1))
    return associate(onsets, stations, at_least=at_least, within=within)


@pytest.mark.parametrize(
    ("pairs", "numbers"),
    [
        ([], []),
        ([(10, 0)], [NONE]),
        ([(10, 0), (15, 1)], [0, 0]),
        ([(10, 0), (16, 1)], [NONE, NONE]),
        ([(10, 0), (12, 0)], [NONE, NONE]),  # twice the same station is no company
        ([(10, 0), (12, 0), (13, 1)], [0, 0, 0]),
        ([(50, 1), (10, 0), (12, 1), (48, 0)], [1, 0, 0, 1]),
    ],
)
def test_onsets_of_enough_stations_within_the_time_are_one_event(pairs, numbers):
    assert run(pairs).tolist() == numbers


def test_a_stray_trigger_just_before_does_not_tear_an_event():
    pairs = [(7, 0), (10, 1), (11, 2), (12, 3), (14, 4), (15, 5)]
    assert run(pairs, at_least=3).tolist() == [NONE, 0, 0, 0, 0, 0]


def test_what_lies_before_a_greater_event_is_one_of_its_own_if_it_has_company():
    pairs = [(0, 0), (1, 1), (5, 2), (6, 3), (7, 4), (8, 5)]
    assert run(pairs, at_least=2).tolist() == [0, 0, 1, 1, 1, 1]


@settings(max_examples=400)
@given(triggers, st.integers(2, 4), st.integers(1, 12))
def test_events_are_short_of_enough_stations_and_nothing_with_company_is_left_over(pairs, at_least, within):
    numbers = run(pairs, at_least, within)
    held = {}
    for pair, number in zip(pairs, numbers.tolist(), strict=True):
        held.setdefault(number, []).append(pair)
    left = sorted(held.pop(NONE, []))
    assert sorted(held) == list(range(len(held)))
    for members in held.values():
        assert max(members)[0] - min(members)[0] <= within
        assert len({station for _, station in members}) >= at_least
    starts = [min(held[number]) for number in sorted(held)]
    assert starts == sorted(starts)
    for first, _ in left:
        assert len({station for onset, station in left if first <= onset <= first + within}) < at_least


@given(triggers, st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_origin_of_time_matters(pairs, shift, random):
    numbers = run(pairs)
    order = list(range(len(pairs)))
    random.shuffle(order)
    moved = run([(pairs[k][0] + shift, pairs[k][1]) for k in order])
    assert moved.tolist() == [numbers[k] for k in order]
