"""Lay pieces of recordings on one regular grid of samples, with every gap and overlap accounted for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.kernels.trigger import true_runs

SPLICE = 2
"""Samples: gaps up to this are bridged by a line, disagreements up to this keep the earlier record."""
LARGEST = 1e15
"""Greater values, NaN and infinity are no recording: their squares would leave what float32 holds."""


@dataclass(frozen=True)
class Piece:
    """Hold contiguous samples and the grid position of the first, which may lie outside the grid.

    Attributes
    ----------
    start : int
    samples : ndarray, shape (n,)
    buffer : ndarray, optional
        What `samples` is the middle of. The grid may be laid in it, around the samples, which stay as they are.
    """

    start: int
    samples: NDArray[Any]
    buffer: NDArray[Any] | None = None

    @property
    def end(self) -> int:
        """The position after the last sample."""
        return self.start + len(self.samples)


@dataclass
class GridCounts:
    """Count the samples that had to be treated on the way to the grid."""

    duplicated: int = 0
    conflicting: int = 0
    bridged: int = 0
    not_finite: int = 0


@dataclass(frozen=True)
class Grid:
    """Hold one component on the grid.

    Attributes
    ----------
    samples : ndarray, shape (n,)
        Counts; what lies outside `runs` means nothing.
    runs : ndarray of int64, shape (runs, 2)
        Contiguous stretches with samples: first, and one after the last.
    counts : GridCounts
    """

    samples: NDArray[Any]
    runs: NDArray[np.int64]
    counts: GridCounts = field(default_factory=GridCounts)

    def cut(self, start: int, length: int) -> NDArray[np.float32]:
        """Cut a window; samples in gaps or outside the grid are NaN.

        Parameters
        ----------
        start : int
            Grid position of the first sample; may be negative.
        length : int

        Returns
        -------
        ndarray of float32, shape (length,)
        """
        window = np.full(length, np.nan, np.float32)
        low = np.searchsorted(self.runs[:, 1], start, side="right")
        high = np.searchsorted(self.runs[:, 0], start + length, side="left")
        for first, last in self.runs[low:high]:
            a, b = max(first, start), min(last, start + length)
            window[a - start : b - start] = self.samples[a:b]
        return window


def assemble(pieces: Iterable[Piece], n: int) -> Grid:
    """Lay pieces on a grid of n samples.

    Pieces are taken in the order of their starts (ties: as given), and the first to hold a position keeps it.
    Repeated samples that agree count once. Where more than `SPLICE` samples in a row disagree nobody knows
    which record is right, and the stretch becomes a gap. Gaps of up to `SPLICE` samples (clock jitter between
    records) are bridged by a line. Samples that are not finite are gaps.

    Parameters
    ----------
    pieces : iterable of Piece
        What falls outside the grid is cut off.
    n : int
        Length of the grid, samples.

    Returns
    -------
    Grid
    """
    ordered = sorted((piece for piece in pieces if len(piece.samples)), key=lambda piece: piece.start)
    whole = all(np.can_cast(piece.samples.dtype, np.int32) for piece in ordered)
    counts = GridCounts()
    clipped = [piece for piece in (_clip(piece, n) for piece in ordered) if len(piece.samples)]
    if whole and _apart(clipped):
        samples = _lay_in_place(ordered, n)
        runs = np.array([(piece.start, piece.end) for piece in clipped], np.int64).reshape(-1, 2)
    else:
        samples = np.zeros(n, np.int32 if whole else np.float64)
        runs = _reconcile(clipped, samples, counts)
    return Grid(samples, _bridge(samples, runs, counts), counts)


def _clip(piece: Piece, n: int) -> Piece:
    first, last = max(piece.start, 0), max(min(piece.end, n), 0)
    return Piece(first, piece.samples[first - piece.start : max(last - piece.start, 0)])


def _lay_in_place(pieces: Sequence[Piece], n: int) -> NDArray[np.int32]:
    """Lay pieces that are apart in the room around the longest, if there is enough, else in new memory."""
    longest = max(pieces, key=lambda piece: len(piece.samples), default=None)
    around = None if longest is None else _grid_around(longest, n)
    samples = np.zeros(n, np.int32) if around is None else around
    for piece in pieces:
        if around is None or piece is not longest:
            clipped = _clip(piece, n)
            samples[clipped.start : clipped.end] = clipped.samples
    return samples


def _grid_around(piece: Piece, n: int) -> NDArray[np.int32] | None:
    if piece.buffer is None or piece.buffer.dtype != np.int32:
        return None
    origin = (len(piece.buffer) - len(piece.samples)) // 2 - piece.start
    return piece.buffer[origin : origin + n] if 0 <= origin <= len(piece.buffer) - n else None


def _apart(pieces: Sequence[Piece]) -> bool:
    """Say whether no two of the pieces, in order, hold the same position: the usual case, and the fast one."""
    return all(one.end <= other.start for one, other in pairwise(pieces))


def _reconcile(pieces: Iterable[Piece], samples: NDArray[Any], counts: GridCounts) -> NDArray[np.int64]:
    """Lay pieces that overlap, or that may not be finite, and give the stretches that can be used."""
    present = np.zeros(len(samples), bool)
    disputed = np.zeros(len(samples), bool)
    for piece in pieces:
        span = slice(piece.start, piece.end)
        new, held = piece.samples, present[span]
        finite = np.abs(new) < LARGEST
        counts.not_finite += int(len(new) - np.count_nonzero(finite))
        taken = held & finite
        counts.duplicated += int(np.count_nonzero(taken))
        for a, b in true_runs(taken & (samples[span] != new)):
            counts.conflicting += int(b - a)
            if b - a > SPLICE:
                disputed[piece.start + a : piece.start + b] = True
        fresh = ~held & finite
        samples[span][fresh] = new[fresh]
        present[span] |= fresh
    return true_runs(present & ~disputed)


def _bridge(samples: NDArray[Any], runs: NDArray[np.int64], counts: GridCounts) -> NDArray[np.int64]:
    """Fill the shortest gaps between runs by lines, and give the runs that come of it."""
    gaps = runs[1:, 0] - runs[:-1, 1]
    joined = gaps <= SPLICE
    for number in np.flatnonzero(joined & (gaps > 0)):
        a, b = int(runs[number, 1]), int(runs[number + 1, 0])
        line = np.interp(np.arange(a, b), [a - 1, b], [float(samples[a - 1]), float(samples[b])])
        samples[a:b] = np.rint(line) if samples.dtype.kind == "i" else line
        counts.bridged += b - a
    starts = np.concatenate((runs[:1, 0], runs[1:, 0][~joined]))
    ends = np.concatenate((runs[:-1, 1][~joined], runs[-1:, 1]))
    return np.stack([starts, ends], axis=1)
