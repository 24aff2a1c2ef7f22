import datetime as dt

from couloir.archive.inventory import take_inventory
from couloir.archive.listing import ArchiveObject
from couloir.config import BAND_PRIORITY
from couloir.identifiers import BandId, Block, ChannelId, StationDay

FIRST = dt.date(2020, 1, 31)
SECOND = dt.date(2020, 2, 1)


def item(code, day=FIRST, station="AAA", location="00", size=10):
    channel = ChannelId("XX", station, location, code)
    return ArchiveObject(f"{channel}.{day}", size, "1", channel, day)


def take(*objects, days=(FIRST,), priority=BAND_PRIORITY):
    return take_inventory(objects, days=days, band_priority=priority)


def codes(inventory, key):
    return [entry.channel.channel for entry in inventory.files[key].objects]


def test_the_first_band_of_the_priority_is_chosen_for_each_station_and_day():
    inventory = take(
        item("BHZ"), item("HHZ"), item("EHZ", station="BBB"), item("BHZ", SECOND), days=(FIRST, SECOND)
    )
    assert [str(key) for key in inventory.chosen] == [
        "XX.AAA.00.BH 2020-02-01",
        "XX.AAA.00.HH 2020-01-31",
        "XX.BBB.00.EH 2020-01-31",
    ]
    assert inventory.skipped == {}
    assert inventory.beside == {BandId("XX", "AAA", "00", "HH"): {BandId("XX", "AAA", "00", "BH"): 1}}
    assert len(inventory.files) == 4


def test_the_priority_is_the_users_and_unlisted_bands_come_last():
    objects = [item("HHZ"), item("BHZ"), item("AAZ")]
    assert take(*objects, priority=("BH",)).chosen[0].band.band_instrument == "BH"
    assert take(item("ZZZ"), item("AAZ"), priority=("BH",)).chosen[0].band.band_instrument == "AA"


def test_among_locations_of_one_band_the_first_is_chosen():
    inventory = take(item("HHZ", location="10"), item("HHZ", location="00"), item("HHZ", location=""))
    assert [key.band for key in inventory.chosen] == [BandId("XX", "AAA", "", "HH")]


def test_components_come_in_the_order_e_n_z_and_numbers_stand_for_them():
    key = StationDay(BandId("XX", "AAA", "00", "HH"), FIRST)
    inventory = take(item("HHZ"), item("HH1"), item("HH2"))
    assert codes(inventory, key) == ["HH2", "HH1", "HHZ"]
    assert inventory.files[key].components == "ENZ"
    assert codes(take(item("HH3"), item("HH1")), key) == ["HH1", "HH3"]


def test_a_named_orientation_goes_before_a_numbered_one():
    key = StationDay(BandId("XX", "AAA", "00", "HH"), FIRST)
    inventory = take(item("HH1"), item("HHN"), item("HHE"), item("HH2"), item("HHZ"))
    assert codes(inventory, key) == ["HHE", "HHN", "HHZ"]
    assert inventory.skipped == {"XX.AAA.00.HH1 beside XX.AAA.00.HHN": 1, "XX.AAA.00.HH2 beside XX.AAA.00.HHE": 1}


def test_other_orientations_are_counted_and_left_out():
    inventory = take(item("HHZ"), item("BDF"), item("BDF", SECOND), days=(FIRST, SECOND))
    assert list(inventory.skipped.values()) == [2]
    assert "F" in next(iter(inventory.skipped))
    assert len(inventory.chosen) == 1


def test_days_outside_the_period_are_neighbours_only():
    inventory = take(item("HHZ"), item("HHZ", SECOND, size=33))
    assert [key.day for key in inventory.chosen] == [FIRST]
    near = inventory.around(inventory.chosen[0], reach=2)
    assert list(near) == [FIRST, SECOND]
    assert near[SECOND].size == 33
    assert list(inventory.around(inventory.chosen[0], reach=0)) == [FIRST]


def test_blocks_hold_the_days_of_a_sensor_and_month():
    inventory = take(item("HHZ"), item("HHZ", SECOND), item("HHZ", station="BBB"), days=(FIRST, SECOND))
    band = BandId("XX", "AAA", "00", "HH")
    assert inventory.blocks == {
        Block(band, 2020, 1): [StationDay(band, FIRST)],
        Block(band, 2020, 2): [StationDay(band, SECOND)],
        Block(BandId("XX", "BBB", "00", "HH"), 2020, 1): [StationDay(BandId("XX", "BBB", "00", "HH"), FIRST)],
    }
