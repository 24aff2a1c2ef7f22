"""Say what a source is to the rest: something that a station records as a wave."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from couloir.synth.geometry import Station


@dataclass(frozen=True, eq=False)
class Wave:
    """Hold what one station records of one source.

    Parameters
    ----------
    delay_s
        Time of the first sample after the source's origin time, s.
    samples
        Shape (3, n), components E, N, Z, counts.
    """

    delay_s: float
    samples: NDArray[np.floating]


class Source(Protocol):
    """Record at any station of the network."""

    def record(self, station: Station, *, rng: np.random.Generator, sampling_rate: float) -> Wave:
        """Compute the wave at a station, with the random stream of this source and station."""
        ...


def random_direction(rng: np.random.Generator, count: int) -> NDArray[np.floating]:
    """Draw directions in space, shape (count, 3), each of length sqrt(3): 1 a component on average."""
    vector = rng.normal(size=(count, 3))
    return np.asarray(np.sqrt(3) * vector / np.linalg.norm(vector, axis=1, keepdims=True))
