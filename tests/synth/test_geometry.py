import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from couloir.synth.geometry import make_site


@given(st.integers(0, 2**32), st.integers(0, 249))
def test_stations_stand_a_few_hundred_metres_to_two_kilometres_apart_along_the_road(seed, number):
    places = np.array([[s.x_m, s.y_m, s.east_m, s.north_m] for s in make_site(seed, number).stations])
    steps = np.diff(places, axis=0)
    apart = np.hypot(steps[:, 0], steps[:, 1])
    assert np.all((apart > 300) & (apart < 2000))
    assert np.allclose(apart, np.hypot(steps[:, 2], steps[:, 3]))
    assert np.all(steps[:, 0] > 0)


def test_station_codes_count_through_the_sites():
    codes = [str(station.band) for number in (0, 1) for station in make_site(1, number).stations]
    assert codes == [f"XX.CL{i:02d}.00.EH" for i in range(1, 9)]
