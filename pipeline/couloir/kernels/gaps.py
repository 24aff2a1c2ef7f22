"""Fill the gaps of a window before it is transformed."""

import numpy as np
from numpy.typing import NDArray


def fill_gaps(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bridge NaN by straight lines, and carry the nearest sample to a window's ends.

    Parameters
    ----------
    windows : ndarray of float32, shape (..., samples)

    Returns
    -------
    ndarray of float32, shape (..., samples)
        Without NaN; a component that is nothing but NaN becomes zeros.
    """
    missing = np.isnan(windows)
    if not missing.any():
        return windows
    filled = windows.copy()
    position = np.arange(windows.shape[-1])
    for index in np.argwhere(missing.any(axis=-1)):
        row, gone = filled[tuple(index)], missing[tuple(index)]
        row[gone] = 0.0 if gone.all() else np.interp(position[gone], position[~gone], row[~gone])
    return filled
