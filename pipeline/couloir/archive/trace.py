"""Hold contiguous samples of one channel, however they were stored."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from couloir.identifiers import ChannelId


@dataclass(frozen=True)
class Trace:
    """Hold contiguous samples of one channel.

    Attributes
    ----------
    channel : ChannelId
        As in the header.
    start_ns : int
        Time of the first sample, ns since the epoch.
    sampling_rate : float
        As in the header, Hz.
    samples : ndarray, shape (n,)
        Counts.
    buffer : ndarray, shape (m,), optional
        What `samples` is the middle of, if there is spare room around it.
    """

    channel: ChannelId
    start_ns: int
    sampling_rate: float
    samples: NDArray[Any]
    buffer: NDArray[Any] | None = None

    @property
    def duration_s(self) -> float:
        """Length, s."""
        return len(self.samples) / self.sampling_rate

    @property
    def end_ns(self) -> int:
        """Time of the sample that would follow the last, ns since the epoch."""
        return self.start_ns + round(self.duration_s * 1e9)
