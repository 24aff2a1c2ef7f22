import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.dec.checkpoint import pack, unpack

STATE = {
    "steps": 12,
    "loss": 0.1 + 0.2,
    "rank": (False, float("inf")),
    "nothing": None,
    "text": "phase,step\n",
    "nested": {"labels": np.arange(5, dtype=np.int32), "seeds": np.array([7, 3_000_000_000], np.uint32)},
    "weights": [np.linspace(0, 1, 7, dtype=np.float32).reshape(7, 1), np.array(3, np.int64), np.zeros((0, 2))],
}


def test_a_state_comes_back_as_it_was_with_tuples_as_lists():
    back = unpack(pack(STATE))
    assert list(back) == list(STATE)
    for name in ("steps", "loss", "nothing", "text"):
        assert back[name] == STATE[name]
    assert back["rank"] == [False, float("inf")]
    arrays = [back["nested"]["labels"], back["nested"]["seeds"], *back["weights"]]
    expected = [STATE["nested"]["labels"], STATE["nested"]["seeds"], *STATE["weights"]]
    for found, kept in zip(arrays, expected, strict=True):
        assert (found.dtype, found.shape, found.tobytes()) == (kept.dtype, kept.shape, kept.tobytes())


@given(st.integers(0, len(pack(STATE)) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_wherever_it_is(place, change):
    data = bytearray(pack(STATE))
    data[place] ^= change
    with pytest.raises(ValueError, match="checksum"):
        unpack(bytes(data))


@given(st.integers(0, len(pack(STATE)) - 1))
def test_a_cut_checkpoint_is_noticed_wherever_it_was_cut(size):
    with pytest.raises(ValueError, match="checksum"):
        unpack(pack(STATE)[:size])


def test_a_checkpoint_is_an_npz_file_without_pickles(tmp_path):
    path = tmp_path / "0.npz"
    path.write_bytes(pack(STATE))
    with np.load(path, allow_pickle=False) as file:
        assert b'"steps": 12' in file["header"].tobytes()


@pytest.mark.parametrize("value", [object(), np.array([object()]), np.int64(3)])
def test_what_would_need_a_pickle_is_refused(value):
    with pytest.raises(TypeError, match="JSON and arrays of numbers; found"):
        pack({"value": value})
