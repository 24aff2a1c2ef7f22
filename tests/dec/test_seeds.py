from hypothesis import given
from hypothesis import strategies as st

from couloir.dec.seeds import derive_seed, make_generator


@given(st.integers(), st.text())
def test_seeds_fit_every_library(seed, purpose):
    assert 0 <= derive_seed(seed, purpose) < 2**31


def test_purposes_and_seeds_have_streams_of_their_own():
    seeds = {derive_seed(seed, purpose) for seed in range(50) for purpose in ("noise", "k-means", "PCA")}
    assert len(seeds) == 150


def test_generators_of_one_purpose_draw_the_same():
    assert make_generator(4, "noise").random() == make_generator(4, "noise").random()
