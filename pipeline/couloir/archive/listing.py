"""List which channel-days an archive holds."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from couloir.archive.contents import Contents, look_inside
from couloir.archive.layout import Layout, codes_of
from couloir.archive.place import PATIENCE, Archive
from couloir.archive.sighting import Sighting, explain
from couloir.archive.walk import Listed, list_leaves
from couloir.errors import ArchiveError
from couloir.identifiers import ChannelId, Pattern
from couloir.storage import Patience


@dataclass(frozen=True, slots=True)
class ArchiveObject:
    """Hold one channel's day, and the object of the archive that it is in.

    Attributes
    ----------
    path : str
        As the file system knows it, with the archive's root.
    size : int
        Bytes of the whole object.
    version : str
        Changes when the object's content does: its ETag, or else its time of change.
    shared : bool
        Whether the object holds other channels too.
    """

    path: str
    size: int
    version: str
    channel: ChannelId
    day: dt.date
    shared: bool = False


@dataclass(frozen=True)
class Listing:
    """Hold the channel-days that an archive holds and the selection wants.

    Attributes
    ----------
    objects : list of ArchiveObject
        Sorted by channel and day.
    left_out : mapping of str to int
        What else there was and why it was left out, with the number of objects.
    """

    objects: list[ArchiveObject]
    left_out: Mapping[str, int]


def list_objects(
    url: str,
    layout: Layout,
    *,
    patterns: Sequence[Pattern],
    days: Sequence[dt.date],
    storage_options: Mapping[str, Any] | None = None,
    patience: Patience = PATIENCE,
) -> Listing:
    """List the channel-days that an archive holds and the selection wants.

    Parameters
    ----------
    url : str
        Root of the archive: any URL that fsspec knows.
    layout : Layout
        Where it does not name channels, a few objects of each station are read to learn which there are.
    patterns : sequence of Pattern
        A channel that any of them matches is wanted.
    days : sequence of date
        UTC days wanted.
    storage_options : mapping, optional
        For the file system.
    patience : Patience
        How long the archive may keep one waiting.

    Returns
    -------
    Listing

    Raises
    ------
    ArchiveError
        When the root cannot be listed, or when nothing in it is wanted; the text names what is there.
    """
    archive = Archive.open(url, layout, storage_options=storage_options, patience=patience)
    listed = list_leaves(archive, patterns, days)
    left_out: dict[str, int] = {}
    if listed.outdated:
        left_out["older version of an object: the one with the highest number is taken"] = listed.outdated
    if layout.names_channels:
        return Listing(_in_order(_named(listed), left_out), left_out)
    seen = look_inside(archive, listed.leaves, patterns)
    objects = [
        ArchiveObject(leaf.path, leaf.size, leaf.version, channel, leaf.day, shared=True)
        for leaf, channels in seen.channels
        for channel in channels
    ]
    if not objects:
        raise ArchiveError(_explain_contents(url, patterns, seen))
    left_out |= seen.left_out
    return Listing(_in_order(objects, left_out), left_out)


def _named(listed: Listed) -> Iterator[ArchiveObject]:
    channels: dict[tuple[str | None, ...], ChannelId] = {}
    for leaf in listed.leaves:
        if (channel := channels.get(leaf.codes)) is None:
            channel = channels[leaf.codes] = ChannelId(*(code or "" for code in leaf.codes))
        yield ArchiveObject(leaf.path, leaf.size, leaf.version, channel, leaf.day)


def _in_order(objects: Iterable[ArchiveObject], left_out: dict[str, int]) -> list[ArchiveObject]:
    """Sort by channel and day, without channels whose codes are none; looking at each once makes it fast."""
    held: dict[ChannelId, list[ArchiveObject]] = defaultdict(list)
    for item in objects:
        held[item.channel].append(item)
    for channel in [channel for channel in held if not channel.is_plain]:  # it will name folders of the output
        left_out[f"channel {str(channel)!r}: codes hold letters, digits, - and _ only"] = len(held.pop(channel))
    return [item for channel in sorted(held) for item in sorted(held[channel], key=attrgetter("day"))]


def _explain_contents(url: str, patterns: Sequence[Pattern], seen: Contents) -> str:
    met = Sighting()
    for channel in seen.there:
        met.note(codes_of(channel))
    wished = ", ".join(map(str, patterns))
    head = f"nothing in {url} matches {wished}: its objects hold many channels, but none of these."
    return "\n  ".join([explain(head, met, patterns), *seen.left_out])
