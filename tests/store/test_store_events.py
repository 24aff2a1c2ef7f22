import re
from dataclasses import fields, replace

import numpy as np

from couloir.identifiers import BandId
from couloir.store.events import AMPLITUDE, COLUMNS, UNITS, Event, attributes_of, columns_of, event_id

EVENT = Event(1_700_000_000_123_456_789, 2, 3, 4, 5, 6.5, 7.5, 8.5, 9.5, 0.5, 1.0, 45.0, 1)


def test_each_field_is_a_column_of_its_type_in_order():
    columns = columns_of([EVENT, EVENT])
    assert list(columns) == list(COLUMNS) == [item.name for item in fields(Event)]
    for name, values in columns.items():
        assert values.dtype == COLUMNS[name].dtype
        assert values.tolist() == [getattr(EVENT, name)] * 2


def test_no_events_give_empty_columns_of_the_same_types():
    assert {name: (values.shape, str(values.dtype)) for name, values in columns_of([]).items()} == {
        name: ((0,), spec.dtype) for name, spec in COLUMNS.items()
    }


def test_times_are_kept_to_the_nanosecond():
    assert columns_of([EVENT])["start_time"].dtype == np.int64
    assert columns_of([EVENT])["start_time"][0] == 1_700_000_000_123_456_789


def test_an_event_is_named_by_its_sensor_and_time():
    name = event_id(BandId("GG", "LH01", "10", "EH"), 1_585_400_000_123_456_789)
    assert name == "GG.LH01.10.EH_20200328T125320.123"
    assert re.fullmatch(r"[\w.]+", name)


def test_amplitudes_say_their_unit_where_all_have_the_same():
    assert attributes_of("peak_amplitude", [EVENT])["units"] == "m/s"
    mixed = [EVENT, replace(EVENT, unit=0)]
    assert attributes_of("mad", mixed)["units"] == AMPLITUDE
    assert attributes_of("unit", mixed)["flag_meanings"].split() == list(UNITS)
    assert attributes_of("start_time", mixed)["calendar"] == "proleptic_gregorian"
