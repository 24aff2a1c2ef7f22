import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from couloir.synth.streams import stream

keys = st.lists(st.integers(0, 2**40), max_size=4).map(tuple)


@given(st.integers(0, 2**60), st.text(max_size=9), keys)
def test_the_same_names_open_the_same_stream(seed, purpose, key):
    first, second = (stream(seed, purpose, *key).integers(0, 2**63, 4) for _ in range(2))
    assert np.array_equal(first, second)


@given(keys, keys)
def test_other_keys_open_other_streams(one, other):
    same = np.array_equal(*(stream(1, "noise", *key).integers(0, 2**63, 4) for key in (one, other)))
    assert same == (one == other)


def test_other_seeds_and_purposes_open_other_streams():
    drawn = {stream(*names).integers(0, 2**63) for names in [(1, "gap"), (2, "gap"), (1, "step")]}
    assert len(drawn) == 3
