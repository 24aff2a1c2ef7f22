"""Put a station-day together: noise, the signals of its sources, its faults, and the truth of all."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from couloir.identifiers import NS_PER_S, day_of_ns, day_start_ns
from couloir.synth.faults import Faults, draw_faults
from couloir.synth.geometry import SITE_STATIONS, Site, Station, make_site
from couloir.synth.noise import make_noise, median_envelope
from couloir.synth.occurrence import HABITS, Occurrence, occurrences
from couloir.synth.spec import BLOCKS_PER_DAY, SynthSpec
from couloir.synth.truth import VISIBLE, TruthRow, band_response, signal_envelope

FULL_SCALE = 2**23 - 1
"""Largest count of a 24-bit digitiser."""

LONGEST_S = 2400
"""No wave ends later than this after its origin time; so far back a day looks for sources."""


@dataclass(frozen=True, eq=False)
class SynthDay:
    """Hold a synthetic station-day.

    Parameters
    ----------
    station
        The station.
    day
        The UTC day.
    counts
        Shape (3, samples of a day), components E, N, Z, int32 counts, gaps not yet taken out.
    faults
        Where samples are missing or repeated.
    rows
        The truth of this day, not in order; a signal that crosses midnight has a row in each day.
    """

    station: Station
    day: dt.date
    counts: NDArray[np.int32]
    faults: Faults
    rows: tuple[TruthRow, ...]


def make_station_day(spec: SynthSpec, number: int, *, day: dt.date) -> SynthDay:
    """Make the day of station `number` (from 0); it depends on nothing that other station-days drew."""
    site = make_site(spec.seed, number // SITE_STATIONS)
    station = site.stations[number % SITE_STATIONS]
    canvas = _Canvas(spec, station, day)
    rows = list(canvas.fault_rows())
    for event in _audible(spec, station, site, day=day):
        row = canvas.add(event)
        if row:
            rows.append(row)
    counts = np.clip(np.rint(canvas.samples), -FULL_SCALE, FULL_SCALE).astype(np.int32)
    return SynthDay(station=station, day=day, counts=counts, faults=canvas.faults, rows=tuple(rows))


def _audible(spec: SynthSpec, station: Station, site: Site, *, day: dt.date) -> Iterator[Occurrence]:
    """Give the sources of a day, and those of the evening before that may last past midnight."""
    earliest = day_start_ns(day) - LONGEST_S * NS_PER_S
    for label in HABITS:
        for origin_day in (day - dt.timedelta(days=1), day):
            for event in occurrences(spec, label, day=origin_day, station=station, site=site):
                if event.origin_ns >= earliest:
                    yield event


class _Canvas:
    """Collect the signals of a station-day over its noise, and the truth about each."""

    def __init__(self, spec: SynthSpec, station: Station, day: dt.date) -> None:
        self.spec = spec
        self.station = station
        self.day = day
        self.faults = draw_faults(spec, station, day)
        self.samples = make_noise(spec, station, day)
        self.recorded = self.faults.recorded(spec.samples_per_day)
        self.medians = _noise_medians(spec, station)

    def add(self, event: Occurrence) -> TruthRow | None:
        """Add what the station records of a source today; give its truth where that is visible."""
        wave = event.hear(self.station)
        low = self._sample_of(event.origin_ns, wave.delay_s)
        high = low + wave.samples.shape[1]
        begin, end = max(low, 0), min(high, self.spec.samples_per_day)
        if begin >= end:
            return None
        self.samples[:, begin:end] += wave.samples[:, begin - low : end - low]
        envelope = signal_envelope(wave.samples, self.spec.sampling_rate)[begin - low : end - low]
        return self._measure(event, begin, np.where(self.recorded[begin:end], envelope, 0))

    def fault_rows(self) -> Iterator[TruthRow]:
        """Give the truth of gaps and overlaps."""
        stretches = [("gap", gap) for gap in self.faults.gaps]
        stretches += [("overlap", repeat) for repeat in self.faults.repeats]
        stretches += [("overlap", (seam, seam + 1)) for seam in self.faults.seams]
        for number, (label, (low, high)) in enumerate(stretches):
            source_id = f"{label}-{self.day:%Y%m%d}-{self.station.index:03d}-{number:04d}"
            yield self._row(label, source_id, stretch=(low, high), snr=None)

    def _measure(self, event: Occurrence, begin: int, envelope: NDArray[np.floating]) -> TruthRow | None:
        peak = int(np.argmax(envelope))
        block = (begin + peak) * BLOCKS_PER_DAY // self.spec.samples_per_day
        ratio = envelope / self.medians[block]
        visible = np.flatnonzero(ratio > VISIBLE)
        if not visible.size:
            return None
        stretch = (begin + int(visible[0]), begin + int(visible[-1]) + 1)
        return self._row(event.label, event.source_id, stretch=stretch, snr=float(ratio[peak]))

    def _row(self, label: str, source_id: str, *, stretch: tuple[int, int], snr: float | None) -> TruthRow:
        band = self.station.band
        start_ns, end_ns = (
            day_start_ns(self.day) + round(sample * NS_PER_S / self.spec.sampling_rate) for sample in stretch
        )
        return TruthRow(
            network=band.network,
            station=band.station,
            location=band.location,
            label=label,
            start_ns=start_ns,
            end_ns=end_ns,
            source_id=source_id,
            snr=snr,
        )

    def _sample_of(self, origin_ns: int, delay_s: float) -> int:
        """Give the sample of today nearest to a time; the same instant whichever day asks."""
        origin_day = day_of_ns(origin_ns)
        since_midnight_s = (origin_ns - day_start_ns(origin_day)) / NS_PER_S + delay_s
        days_ago = (self.day - origin_day).days
        return round(since_midnight_s * self.spec.sampling_rate) - days_ago * self.spec.samples_per_day


def _noise_medians(spec: SynthSpec, station: Station) -> list[float]:
    """Give the median of the noise's envelope in each half hour of the day, counts."""
    frequency = scipy.fft.rfftfreq(4096, 1 / spec.sampling_rate)
    response = band_response(frequency, spec.sampling_rate)
    hours = (np.arange(BLOCKS_PER_DAY) + 0.5) * 24 / BLOCKS_PER_DAY
    return [median_envelope(station, float(hour), frequency=frequency, response=response) for hour in hours]
