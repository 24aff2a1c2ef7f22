"""Measure how visible each signal is, and keep and write the truth."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from couloir.identifiers import format_time

Floats = NDArray[np.floating]

BAND_HZ = (1.0, 45.0)
FILTER_ORDER = 4
VISIBLE = 1.5
"""A signal begins and ends where its own envelope crosses this many times the noise's median."""
MARGIN_S = 2.0

COLUMNS = ("network", "station", "location", "class", "start_time", "end_time", "source_id", "snr")


@dataclass(frozen=True)
class TruthRow:
    """Hold one source at one station.

    Parameters
    ----------
    network, station, location
        Where.
    label
        The class, or the fault: `gap`, `overlap` or `step`.
    start_ns, end_ns
        Interval, ns since the epoch. Of a signal: where it is visible. Of a gap: the first missing
        sample and the first present one. Of an overlap: the first sample present twice and the first
        present once.
    source_id
        Tells the same source at several stations.
    snr
        Peak of the signal's envelope over the median of the noise's; None for gaps and overlaps.
    """

    network: str
    station: str
    location: str
    label: str
    start_ns: int
    end_ns: int
    source_id: str
    snr: float | None


def band_response(frequency: Floats, sampling_rate: float) -> Floats:
    """Give the amplitude response of the zero-phase band-pass, 1-45 Hz, at frequencies in Hz.

    A fourth-order Butterworth filter run both ways; the upper corner stays under 0.45 of the sampling
    rate.
    """
    low, high = BAND_HZ
    high = min(high, 0.45 * sampling_rate)
    sections = scipy.signal.butter(FILTER_ORDER, (low, high), "bandpass", fs=sampling_rate, output="sos")
    _, response = scipy.signal.freqz_sos(sections, worN=frequency, fs=sampling_rate)
    return np.asarray(np.abs(response) ** 2)


def signal_envelope(samples: Floats, sampling_rate: float) -> Floats:
    """Compute the three-component envelope of a signal in the band of detection.

    Parameters
    ----------
    samples
        Shape (3, n); zero before and after.
    sampling_rate
        Sampling rate, Hz.

    Returns
    -------
    numpy.ndarray
        Root of the summed squares of the components' envelopes, shape (n,).
    """
    length = samples.shape[1]
    padded = scipy.fft.next_fast_len(length + round(MARGIN_S * sampling_rate))
    one_sided = _analytic_response(padded, sampling_rate)
    spectrum = scipy.fft.rfft(samples.astype(np.float32), padded) * one_sided
    analytic = scipy.fft.ifft(spectrum, padded)[:, :length]
    return np.asarray(np.sqrt(np.sum(analytic.real**2 + analytic.imag**2, axis=0)))


@cache
def _analytic_response(padded: int, sampling_rate: float) -> NDArray[np.float32]:
    """Give the band's response times two: of positive frequencies alone it makes the analytic signal."""
    frequency = scipy.fft.rfftfreq(padded, 1 / sampling_rate)
    return (2 * band_response(frequency, sampling_rate)).astype(np.float32)


def merge_rows(rows: Iterable[TruthRow]) -> list[TruthRow]:
    """Join the parts of signals that cross midnight, and put the rows in order of time and station."""
    merged: dict[tuple[str, str], TruthRow] = {}
    for row in rows:
        key = (row.source_id, row.station)
        known = merged.setdefault(key, row)
        merged[key] = replace(
            known,
            start_ns=min(known.start_ns, row.start_ns),
            end_ns=max(known.end_ns, row.end_ns),
            snr=None if row.snr is None or known.snr is None else max(known.snr, row.snr),
        )
    return sorted(merged.values(), key=lambda row: (row.start_ns, row.station, row.source_id))


def to_csv(rows: Iterable[TruthRow]) -> str:
    """Write rows as CSV with a header line; snr is empty for gaps and overlaps."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        times = (format_time(row.start_ns), format_time(row.end_ns))
        snr = "" if row.snr is None else f"{row.snr:.2f}"
        writer.writerow((row.network, row.station, row.location, row.label, *times, row.source_id, snr))
    return text.getvalue()
