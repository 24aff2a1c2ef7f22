"""Leave out the pieces of a recording whose times or rates cannot be right, so that they cost no sound piece."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

import numpy as np

from couloir.archive.remarks import several
from couloir.archive.trace import Trace
from couloir.identifiers import DAY_NS, NS_PER_S, format_time
from couloir.kernels.grid import SPLICE, GridCounts, Piece, assemble
from couloir.kernels.rate import nominal_rate

MAX_RATES = 8
"""Sampling rates of one channel on one day that are used, those of the most samples."""
_NEAR_NS = 3_600 * NS_PER_S
"""Records this close to their day are no surprise: files are cut at any moment around midnight."""


def outside_day(traces: Iterable[Trace], start_ns: int) -> str | None:
    """Tell of pieces that lie far outside the day that begins at an instant; None when there are none."""
    first, last = start_ns - _NEAR_NS, start_ns + DAY_NS + _NEAR_NS
    far = [trace for trace in traces if trace.end_ns <= first or trace.start_ns >= last]
    if not far:
        return None
    begin, end = min(trace.start_ns for trace in far), max(trace.end_ns for trace in far)
    samples = sum(len(trace.samples) for trace in far)
    pieces = "1 piece" if len(far) == 1 else f"{len(far)} pieces"
    return f"{pieces} ({samples} samples) outside the day left out, from {_when(begin)} to {_when(end)}"


def settle_rates(traces: Iterable[Trace]) -> tuple[dict[float, list[Trace]], list[str]]:
    """Sort the pieces of one channel by sampling rate, and leave out those that cannot be right.

    A recorder has one rate at a time. Where pieces of two rates claim the same time, a header is damaged, and the
    rate that holds more samples is believed.

    Parameters
    ----------
    traces : iterable of Trace

    Returns
    -------
    by_rate : dict of float to list of Trace
        By nominal rate, Hz, the one with the most samples first.
    remarks : list of str
    """
    by_rate: dict[float, list[Trace]] = {}
    for trace in traces:
        by_rate.setdefault(nominal_rate(trace.sampling_rate, trace.duration_s), []).append(trace)
    order = sorted(by_rate, key=lambda rate: -sum(len(trace.samples) for trace in by_rate[rate]))
    kept: dict[float, list[Trace]] = {}
    contrary: list[float] = []
    for rate in order[:MAX_RATES]:
        sound = list(_not_claimed(by_rate[rate], [trace for group in kept.values() for trace in group]))
        contrary += [rate] * (len(by_rate[rate]) - len(sound))
        if sound:
            kept[rate] = sound
    remarks = []
    if contrary:
        rates = several(f"{rate:g}" for rate in dict.fromkeys(contrary))
        remarks.append(f"{len(contrary)} pieces at {rates} Hz left out: their time is recorded at another rate")
    if many := order[MAX_RATES:]:
        remarks.append(f"{len(order)} sampling rates: pieces of {len(many)} of them left out")
    return kept, remarks


def _not_claimed(traces: Sequence[Trace], held: Sequence[Trace]) -> Iterator[Trace]:
    """Give the pieces that share no more than a splice with any that are held."""
    if not held:
        yield from traces
        return
    order = sorted(held, key=lambda trace: trace.start_ns)
    starts = np.array([trace.start_ns for trace in order])
    ends = np.maximum.accumulate([trace.end_ns for trace in order])
    for trace in traces:
        splice = round(SPLICE * NS_PER_S / trace.sampling_rate)
        before = int(np.searchsorted(starts, trace.end_ns - splice))
        if before == 0 or ends[before - 1] <= trace.start_ns + splice:
            yield trace


def assemble_apart(pieces: Sequence[Piece], n: int) -> tuple[list[Piece], GridCounts]:
    """Put pieces together as `assemble` does, with memory for what they hold and not for the grid they lie on.

    Parameters
    ----------
    pieces : sequence of Piece
    n : int
        Length of the grid, samples; what falls outside is cut off.

    Returns
    -------
    runs : list of Piece
        Contiguous, in order.
    counts : GridCounts
    """
    runs: list[Piece] = []
    counts = GridCounts()
    for cluster in _clusters(pieces, n):
        first, last = max(cluster[0].start, 0), min(max(piece.end for piece in cluster), n)
        grid = assemble([Piece(p.start - first, p.samples, p.buffer) for p in cluster], last - first)
        runs += [Piece(first + int(a), grid.samples[a:b]) for a, b in grid.runs]
        for name in (item.name for item in fields(GridCounts)):
            setattr(counts, name, getattr(counts, name) + getattr(grid.counts, name))
    return runs, counts


def _clusters(pieces: Sequence[Piece], n: int) -> Iterator[list[Piece]]:
    """Part pieces where so much is missing that `assemble` would not bridge it."""
    cluster: list[Piece] = []
    end = 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.end <= 0 or piece.start >= n or not len(piece.samples):
            continue
        if cluster and piece.start - end > SPLICE:
            yield cluster
            cluster = []
        end = max(end, piece.end) if cluster else piece.end
        cluster.append(piece)
    if cluster:
        yield cluster


def _when(time_ns: int) -> str:
    try:
        return format_time(time_ns)
    except (ValueError, OverflowError, OSError):  # beyond the years of a calendar
        return f"{time_ns / (365.2425 * DAY_NS) + 1970:.0f}"
