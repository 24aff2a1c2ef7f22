"""Bound the work that one file may cause."""

import time

LIMIT_S = 60.0
"""Seconds that reading one file may take: a day of 100 Hz takes 0.03 s, a damaged one 1 s."""


class Deadline:
    """Measure the seconds this thread computes, which another task's load does not lengthen.

    Parameters
    ----------
    limit_s : float
        Seconds from now on.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self.limit_s = limit_s
        self._end = time.thread_time() + limit_s

    def check(self) -> None:
        """Raise when the time is over.

        Raises
        ------
        TimeoutError
            Saying how long it took.
        """
        if time.thread_time() > self._end:
            raise TimeoutError(f"reading it took longer than {self.limit_s:g} s: a file of countless pieces")
