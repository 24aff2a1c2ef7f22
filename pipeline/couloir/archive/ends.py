"""Keep the ends of objects that this process has read whole: the day before or after asks for one of them next."""

import threading
from collections import OrderedDict

BITE = 32 * 1024
"""Bytes fetched first from one end: some minutes of 100 Hz. A multiple of every common record length."""
_OBJECTS = 256
"""Objects whose ends are kept, 64 kB each."""

Key = tuple[str, str, int]
"""Path, version and size: an object that was replaced is another."""


class Ends:
    """Keep the first and the last `BITE` bytes of the objects read latest."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[bytes, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, key: Key, data: bytes) -> None:
        """Keep the ends of a whole object; one that came shorter than its listing said is not kept."""
        if len(data) != key[2] or len(data) <= BITE:
            return
        with self._lock:
            self._kept[key] = data[:BITE], data[-BITE:]
            self._kept.move_to_end(key)
            while len(self._kept) > _OBJECTS:
                self._kept.popitem(last=False)

    def get(self, key: Key, start: int, end: int) -> bytes | None:
        """Give some bytes of an object, if they are one of its ends, and kept."""
        with self._lock:
            head, tail = self._kept.get(key, (b"", b""))
        if (start, end) == (0, len(head)):
            return head
        return tail if (start, end) == (key[2] - len(tail), key[2]) and tail else None
