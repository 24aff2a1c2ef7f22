"""Look into a few objects of each station, where paths do not say which channels there are."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from couloir.archive.miniseed import holds_miniseed
from couloir.archive.orientation import ORIENTATIONS
from couloir.archive.place import Archive
from couloir.archive.shared import channels_in
from couloir.archive.template import CODES
from couloir.archive.walk import Codes, Leaf
from couloir.errors import ArchiveError, UnreadableError
from couloir.identifiers import ChannelId, Pattern
from couloir.storage import explain, persist

_READERS = 4
"""Objects in memory at once: they may be of 50 MB and more."""
MOST_LOOKS = 16
"""Objects of one station that are read to learn when its channels changed."""
_UNREADABLE_IN_A_ROW = 3


@dataclass(frozen=True)
class Contents:
    """Hold what objects of many channels hold, as far as a few of them tell.

    Attributes
    ----------
    channels : list of (Leaf, tuple of ChannelId)
        Channels with a direction that the selection wants.
    there : set of ChannelId
        All channels that were met.
    left_out : mapping of str to int
        Why objects are passed over, with their number.
    """

    channels: list[tuple[Leaf, tuple[ChannelId, ...]]]
    there: set[ChannelId]
    left_out: Mapping[str, int]


def look_inside(archive: Archive, leaves: Sequence[Leaf], patterns: Sequence[Pattern]) -> Contents:
    """Learn which wanted channels objects hold.

    The first and the last object of a station are read; where they differ, one between them is, and so on: a
    station changes rarely. At most `MOST_LOOKS` are read, then a day is taken to be like the nearest read one.

    Raises
    ------
    ArchiveError
        When an object cannot be fetched.
    """
    stations: dict[Codes, list[Leaf]] = {}
    for leaf in leaves:
        stations.setdefault(leaf.codes, []).append(leaf)
    looks = [
        _Station(archive, sorted(held, key=lambda leaf: leaf.day), patterns)
        for _, held in sorted(stations.items(), key=str)
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        found = [each for held in pool.map(_Station.run, looks) for each in held]
    blank = {look.name: len(look.leaves) for look in looks if not look.seen}
    reason = "{}: no miniSEED in the objects that were looked into"
    return Contents(
        found,
        set().union(*(look.there for look in looks)),
        {reason.format(name): number for name, number in blank.items()},
    )


class _Station:
    """Find out which channels one station's objects hold, day by day."""

    def __init__(self, archive: Archive, leaves: Sequence[Leaf], patterns: Sequence[Pattern]) -> None:
        self.archive = archive
        self.leaves = leaves
        self.patterns = patterns
        self.there: set[ChannelId] = set()
        self.seen: dict[int, tuple[ChannelId, ...]] = {}
        self._looks = 0

    @property
    def name(self) -> str:
        """Network and station."""
        return ".".join(code or "*" for code in self.leaves[0].codes[:2])

    def run(self) -> list[tuple[Leaf, tuple[ChannelId, ...]]]:
        """Look at both ends and between them, as long as neighbours that were looked at differ."""
        count = len(self.leaves)
        ends = self._look(range(count)), self._look(range(count - 1, -1, -1))
        spans: deque[tuple[int | None, int | None]] = deque([ends])
        while spans:
            first, last = spans.popleft()
            if first is None or last is None or last - first < 2 or self.seen[first] == self.seen[last]:
                continue
            middle = self._look(range((first + last) // 2, last))
            if middle is not None:
                spans += [(first, middle), (middle, last)]
        known = sorted(self.seen)
        if not known:
            return []
        nearest = (min(known, key=lambda k: abs(k - number)) for number in range(len(self.leaves)))
        return [(leaf, self.seen[k]) for leaf, k in zip(self.leaves, nearest, strict=True)]

    def _look(self, numbers: range) -> int | None:
        """Look into the first of some objects that can be read, and give its number."""
        for number in numbers[:_UNREADABLE_IN_A_ROW]:
            if number in self.seen:
                return number
            if self._looks == MOST_LOOKS:
                return None
            self._looks += 1
            if (held := self._channels(self.leaves[number])) is not None:
                self.seen[number] = held
                return number
        return None

    def _channels(self, leaf: Leaf) -> tuple[ChannelId, ...] | None:
        try:
            data = persist(
                self.archive.file_system,
                "cat_file",
                leaf.path,
                patience=self.archive.patience,
                size=leaf.size,
            )
        except FileNotFoundError:  # since it was listed
            return None
        except Exception as error:  # every file system has errors of its own
            raise ArchiveError(
                f"archive.url: cannot look into {leaf.path} for its channels: {explain(error)}"
            ) from error
        if not holds_miniseed(data):
            return None
        try:
            told = channels_in(data)
        except UnreadableError:
            return None
        found = {channel for channel in told if self._is_of(channel, leaf.codes)}
        self.there |= found
        return tuple(
            channel
            for channel in sorted(found)
            if channel.component in ORIENTATIONS and any(each.matches(channel) for each in self.patterns)
        )

    def _is_of(self, channel: ChannelId, codes: Codes) -> bool:
        held = (channel.network, channel.station, channel.location, channel.channel)
        said = ("net", "sta", *(self.archive.layout.fields & {"loc"}))
        return all(code in (None, own) for name, code, own in zip(CODES, codes, held, strict=True) if name in said)
