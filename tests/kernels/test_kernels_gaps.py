import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from couloir.kernels.gaps import fill_gaps

values = st.one_of(st.floats(-(2.0**20), 2.0**20, width=32), st.just(float("nan")))


@given(npst.arrays(np.float32, st.tuples(st.integers(0, 3), st.just(3), st.integers(1, 12)), elements=values))
def test_gaps_are_bridged_as_numpy_interpolates_and_nothing_else_changes(windows):
    filled = fill_gaps(windows)
    assert not np.isnan(filled).any()
    held = ~np.isnan(windows)
    assert np.array_equal(filled[held], windows[held])
    for index in np.ndindex(*windows.shape[:2]):
        row, known = windows[index], held[index]
        place = np.arange(len(row))
        line = np.interp(place, place[known], row[known]) if known.any() else np.zeros(len(row))
        np.testing.assert_array_equal(filled[index], line.astype(np.float32))


def test_a_gap_at_an_end_carries_the_nearest_sample():
    window = np.array([[np.nan, np.nan, 3, np.nan, 5, np.nan]], np.float32)
    assert fill_gaps(window).tolist() == [[3, 3, 3, 4, 5, 5]]
    assert np.isnan(window).sum() == 4
