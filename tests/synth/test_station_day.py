import datetime as dt

import numpy as np
import pytest

from couloir.identifiers import DAY_NS, day_of_ns, day_start_ns
from couloir.synth import ALL_CLASSES, SynthSpec
from couloir.synth.noise import make_noise
from couloir.synth.occurrence import HABITS, occurrences
from couloir.synth.station_day import make_station_day
from couloir.synth.truth import merge_rows

DAY = dt.date(2024, 3, 6)
NEXT = DAY + dt.timedelta(days=1)
RATE = 20.0


def test_counts_are_noise_and_signals_across_midnight(site):
    spec = SynthSpec(DAY, 2, sampling_rate=RATE, classes=("distant",), rates={"distant": 250.0}, faults=False)
    station, total = site.stations[0], spec.samples_per_day
    expected = np.zeros((3, 2 * total))
    for offset in (-1, 0, 1):
        for event in occurrences(spec, "distant", day=DAY + dt.timedelta(offset), station=station, site=site):
            wave = event.hear(station)
            low = round(((event.origin_ns - day_start_ns(DAY)) / 1e9 + wave.delay_s) * RATE)
            begin, end = max(low, 0), min(low + wave.samples.shape[1], 2 * total)
            if begin < end:
                expected[:, begin:end] += wave.samples[:, begin - low : end - low]
    assert np.abs(expected[:, total - 200 : total + 200]).max() > 20
    for number, day in enumerate((DAY, NEXT)):
        counts = make_station_day(spec, 0, day=day).counts
        signals = counts - make_noise(spec, station, day)
        assert np.allclose(signals, expected[:, number * total : (number + 1) * total], atol=0.6)


def test_a_signal_that_crosses_midnight_has_one_row_over_both_days():
    spec = SynthSpec(DAY, 2, sampling_rate=RATE, classes=("distant",), rates={"distant": 250.0}, faults=False)
    days = [make_station_day(spec, 0, day=day).rows for day in (DAY, NEXT)]
    shared = {row.source_id for row in days[0]} & {row.source_id for row in days[1]}
    assert shared
    for row in merge_rows([*days[0], *days[1]]):
        assert (row.source_id in shared) == (row.start_ns < day_start_ns(NEXT) < row.end_ns)


def test_rows_of_a_day_lie_in_it():
    spec = SynthSpec(DAY, 1, sampling_rate=RATE, activity=2.0)
    for row in make_station_day(spec, 1, day=DAY).rows:
        assert day_start_ns(DAY) <= row.start_ns < row.end_ns <= day_start_ns(DAY) + DAY_NS


def test_what_falls_into_a_gap_is_not_in_the_truth():
    rates = {"gap": 150.0, "spike": 400.0}
    spec = SynthSpec(DAY, 1, sampling_rate=RATE, seed=3, classes=("spike",), rates=rates)
    made = [make_station_day(spec, number, day=DAY) for number in range(4)]
    worst = max(made, key=lambda day: len(day.faults.gaps))
    gaps = [(row.start_ns, row.end_ns) for row in worst.rows if row.label == "gap"]
    spikes = [row for row in worst.rows if row.label == "spike"]
    assert len(gaps) > 50
    assert spikes
    assert not [row for row in spikes for low, high in gaps if low <= row.start_ns and row.end_ns <= high]


def test_a_station_hears_the_same_sources_as_its_neighbours():
    spec = SynthSpec(DAY, 1, sampling_rate=RATE, activity=0.5)
    heard = [
        {row.source_id for row in make_station_day(spec, number, day=DAY).rows if row.label == "earthquake"}
        for number in (0, 1, 4)
    ]
    assert len(heard[0] & heard[1]) > 5
    assert len(heard[0] & heard[2]) > 5


@pytest.mark.parametrize("label", HABITS)
def test_sources_come_at_the_stated_rate_and_on_their_day(label, site):
    spec = SynthSpec(DAY, 1, rates={label: 200.0})
    days = [DAY - dt.timedelta(days=i) for i in range(3)]
    counts = []
    for day in days:
        events = list(occurrences(spec, label, day=day, station=site.stations[0], site=site))
        assert {day_of_ns(event.origin_ns) for event in events} == {day}
        assert len({event.source_id for event in events}) == len(events)
        counts.append(len(events))
    assert sum(counts) == pytest.approx(600, abs=5 * np.sqrt(600))


def test_machines_and_traffic_follow_local_time(site):
    spec = SynthSpec(DAY, 1, rates={"machinery": 500.0, "vehicle": 500.0})
    hours = {
        label: np.array(
            [
                (event.origin_ns - day_start_ns(DAY)) // (3600 * 10**9)
                for event in occurrences(spec, label, day=DAY, station=site.stations[0], site=site)
            ]
        )
        for label in ("machinery", "vehicle")
    }
    assert set(hours["machinery"]) == set(range(9))
    daytime = np.mean((hours["vehicle"] < 12) | (hours["vehicle"] >= 22))
    assert daytime > 0.75


def test_machines_rest_on_weekends(site):
    spec = SynthSpec(DAY, 1, rates={"machinery": 500.0})
    count = {
        day.isoweekday(): len(list(occurrences(spec, "machinery", day=day, station=site.stations[0], site=site)))
        for day in (DAY + dt.timedelta(days=i) for i in range(7))
    }
    assert [weekday for weekday in sorted(count) if count[weekday]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("label", ALL_CLASSES)
def test_only_the_classes_asked_for_are_made(label):
    spec = SynthSpec(DAY, 1, sampling_rate=RATE, classes=(label,), faults=False)
    assert {row.label for row in make_station_day(spec, 1, day=DAY).rows} == {label}
