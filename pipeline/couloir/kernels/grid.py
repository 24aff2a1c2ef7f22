"""Lay pieces of recordings on one regular grid of samples, with every gap and overlap accounted for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.kernels.trigger import true_runs

SPLICE = 2
"""Samples: gaps up to this are bridged by a line, disagreements up to this keep the earlier record."""


@dataclass(frozen=True)
class Piece:
    """Hold contiguous samples and the grid position of the first, which may lie outside the grid."""

    start: int
    samples: NDArray[Any]


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
    samples = np.zeros(n, np.int32 if whole else np.float64)
    present = np.zeros(n, bool)
    disputed = np.zeros(n, bool)
    counts = GridCounts()
    for piece in ordered:
        _place(piece, samples, present, disputed, counts)
    present &= ~disputed
    _bridge(samples, present, counts)
    return Grid(samples, true_runs(present), counts)


def _place(
    piece: Piece,
    samples: NDArray[Any],
    present: NDArray[np.bool_],
    disputed: NDArray[np.bool_],
    counts: GridCounts,
) -> None:
    first, last = max(piece.start, 0), min(piece.start + len(piece.samples), len(samples))
    if last <= first:
        return
    new = piece.samples[first - piece.start : last - piece.start]
    fresh = ~present[first:last]
    finite = np.isfinite(new)
    if not finite.all():
        counts.not_finite += int((~finite).sum())
        fresh &= finite
    taken = present[first:last] & finite
    if taken.any():
        differs = taken & (samples[first:last] != new)
        counts.duplicated += int(taken.sum())
        for a, b in true_runs(differs):
            counts.conflicting += int(b - a)
            if b - a > SPLICE:
                disputed[first + a : first + b] = True
    samples[first:last][fresh] = new[fresh]
    present[first:last] |= fresh


def _bridge(samples: NDArray[Any], present: NDArray[np.bool_], counts: GridCounts) -> None:
    for a, b in true_runs(~present):
        if a > 0 and b < len(samples) and b - a <= SPLICE:
            line = np.interp(np.arange(a, b), [a - 1, b], [float(samples[a - 1]), float(samples[b])])
            samples[a:b] = np.rint(line) if samples.dtype.kind == "i" else line
            present[a:b] = True
            counts.bridged += int(b - a)
