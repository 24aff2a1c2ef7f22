"""Detect in a station-day the plain way: ObsPy reads and merges, SciPy filters, NumPy finds the medians."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import obspy
from obspy.signal.filter import envelope
from obspy.signal.trigger import trigger_onset
from scipy import signal


def detect(files: Sequence[Path], *, band: tuple[float, float] = (1.0, 45.0)) -> list[tuple[int, int]]:
    """Read three components and give triggers (first, last sample): median + 12 MAD on, + 5 MAD off."""
    stream = obspy.Stream()
    for path in files:
        stream += obspy.read(str(path))
    stream.merge(method=1, fill_value="interpolate")
    stream.detrend("linear")
    rate = stream[0].stats.sampling_rate
    sections = signal.butter(4, band, "bandpass", fs=rate, output="sos")
    squared = sum(envelope(signal.sosfiltfilt(sections, trace.data)) ** 2 for trace in stream)
    vector = np.sqrt(squared)
    median = np.median(vector)
    mad = np.median(np.abs(vector - median))
    return [tuple(pair) for pair in trigger_onset(vector, median + 12 * mad, median + 5 * mad)]
