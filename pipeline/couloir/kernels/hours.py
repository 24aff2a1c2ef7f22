"""Count times by hour of day."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NS_PER_HOUR = 3_600_000_000_000


def hour_counts(times_ns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Count times (ns since the epoch) by hour of day, UTC; shape (24,)."""
    return np.bincount(times_ns // _NS_PER_HOUR % 24, minlength=24).astype(np.int64)
