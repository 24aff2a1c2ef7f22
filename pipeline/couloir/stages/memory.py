"""Say how much memory this process may still take: the machine's, or what a job or a pod was given of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil


class _Group(NamedTuple):
    """Name the files in which one version of Linux's control groups keeps a group's memory."""

    mount: str
    limit: str
    usage: str
    cache: str
    """The line of ``memory.stat`` with what the group holds of files, and can give back, bytes."""


_UNIFIED = _Group("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
_LEGACY = _Group("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_memory(root: Path = Path("/")) -> int:
    """Give the memory that is free to this process, bytes.

    The machine's free memory is not all of it to be had where SLURM or Kubernetes limits a job: its control
    group, or one above it, allows less.

    Parameters
    ----------
    root : path
        Where ``proc`` and ``sys`` are.
    """
    machine: int = psutil.virtual_memory().available
    return min([machine, *_rooms(root)])


def _rooms(root: Path) -> Iterator[int]:
    """Give what each control group that holds this process, and has a limit, has left."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        files = _UNIFIED if not controllers else _LEGACY if "memory" in controllers.split(",") else None
        if files is None:
            continue
        mount = root / files.mount
        own = mount / path.lstrip("/")  # in a container its group may be mounted as the root instead
        for folder in (own, *own.parents):
            if folder.is_relative_to(mount) and (room := _room(folder, files)) is not None:
                yield room


def _room(folder: Path, files: _Group) -> int | None:
    try:
        limit, used = ((folder / name).read_text().strip() for name in (files.limit, files.usage))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:  # the root of all groups has no limit
        return None
    return None if limit == "max" else max(int(limit) - int(used) + int(stat.get(files.cache, 0)), 0)
