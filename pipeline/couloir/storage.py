"""Reach a disk or a bucket with a limit for every wait: tries again what may go well, and says why it did not."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import fsspec
from fsspec.asyn import sync

from couloir.errors import ConfigError
from couloir.storage_errors import explain, is_denied, is_taken, may_pass, one_line, without_secrets

__all__ = [
    "CONNECTIONS",
    "SLOWEST",
    "Patience",
    "explain",
    "is_denied",
    "is_taken",
    "may_pass",
    "open_place",
    "persist",
    "persist_async",
]

T = TypeVar("T")

SLOWEST = 1e6
"""Bytes a second below which a transfer is given up and begun again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_CONNECT_S, _READ_S = 10.0, 60.0
_LARGEST_PUT = 5 << 30
"""Bytes that S3 takes in one piece."""
CONNECTIONS = 50
"""Connections to one server: who has more calls under way than that lets them wait within their own limits."""


@dataclass(frozen=True)
class Patience:
    """Say how long a file system may keep one waiting.

    Parameters
    ----------
    total_s : float
        No new attempt begins after this long, s.
    attempt_s : float
        An attempt is given up after this long, s, and a second more for each `SLOWEST` bytes it carries.
    """

    total_s: float = 120.0
    attempt_s: float = 30.0

    def attempt(self, size: int = 0) -> float:
        """Give the longest time that an attempt may take, s."""
        return self.attempt_s + size / SLOWEST

    @classmethod
    def of(cls, total_s: float) -> "Patience":
        """Be patient for so long, with attempts that are no longer."""
        return cls(total_s, min(cls.attempt_s, total_s))


def open_place(
    url: str, options: Mapping[str, Any], *, patience: Patience | None = None, asynchronous: bool = False
) -> tuple[Any, str]:
    """Make the file system of a URL, and give the path in it.

    Listings are not cached: other machines write, too. Retries are `persist`'s, so the file system's own are off.

    Parameters
    ----------
    url : str
        A path, or a URL that fsspec knows.
    options : mapping
        For the file system: endpoint_url, anon, profile.
    patience : Patience, optional
    asynchronous : bool
        Whether it shall be used in an event loop that runs already.

    Raises
    ------
    ConfigError
        When there is no such file system, or it does not take the options.
    """
    given = dict(options)
    protocol = fsspec.core.split_protocol(url)[0] or "file"
    if protocol in ("s3", "s3a"):
        given = _for_s3(given, patience or Patience())
    if asynchronous:
        given["asynchronous"] = True
    try:
        file_system, path = fsspec.core.url_to_fs(url, **given)
        if protocol in ("s3", "s3a"):
            _check_session(file_system)
    except (ValueError, ImportError, TypeError) as error:
        raise ConfigError(f"cannot open {without_secrets(url)}: {one_line(error)}. {_remedy(error)}") from error
    if protocol in ("s3", "s3a"):
        _keep_whole(file_system)
    return file_system, path.rstrip("/")


def _for_s3(options: dict[str, Any], patience: Patience) -> dict[str, Any]:
    """Add the limits of a connection to the options of an S3 file system, and check the server's address."""
    endpoint = options.get("endpoint_url")
    if endpoint is not None and not re.match(r"https?://[^/]", str(endpoint)):
        raise ConfigError(
            f"storage_options.endpoint_url is {without_secrets(str(endpoint))!r}: expected a whole URL, "
            "like https://minio.example.org:9000"
        )
    limits = {
        "connect_timeout": min(_CONNECT_S, patience.attempt_s),
        "read_timeout": max(_READ_S, patience.attempt_s),  # an attempt ends by itself, and later if it is large
        "retries": {"total_max_attempts": 1},
        "max_pool_connections": CONNECTIONS,
    }
    config = {**limits, **options.get("config_kwargs", {})}
    alone = {
        "use_listings_cache": False,
        "max_concurrency": 1,
    }  # to read in pieces it would ask for the size first
    return {**alone, **options, "config_kwargs": config}


def _keep_whole(file_system: Any) -> None:
    """Let s3fs try once, and send an object in one piece: parts of an upload given up would stay, and cost."""
    file_system.retries = 1
    if not isinstance(file_system._pipe_file, partial):
        file_system._pipe_file = partial(file_system._pipe_file, chunksize=_LARGEST_PUT // 2)


def _check_session(file_system: Any) -> None:
    """Find a wrong option or profile now: s3fs would at the first call, amid the work."""
    from aiobotocore.session import AioSession
    from botocore.exceptions import ProfileNotFound

    try:
        AioSession(**file_system.kwargs).get_scoped_config()
    except ProfileNotFound as error:
        raise ValueError(str(error)) from error


def _remedy(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return "Install what it names into this environment, and into the workers'"
    if isinstance(error, TypeError):
        return "Check storage_options: endpoint_url, anon and profile are common"
    if "profile" in str(error):
        return "Check AWS_PROFILE and storage_options.profile, and look at `aws configure list-profiles`"
    return "Use a path, s3://bucket/prefix, or another URL that fsspec knows"


def persist(
    file_system: Any, name: str, *arguments: Any, patience: Patience, size: int = 0, **options: Any
) -> Any:
    """Call a method of a file system, again and again where that may help, within `patience`.

    Parameters
    ----------
    file_system : fsspec.AbstractFileSystem
    name : str
        Of the method, such as ``cat_file``.
    size : int
        Bytes that are carried.

    Raises
    ------
    Exception
        What the last attempt raised. `explain` puts it into words.
    """
    if file_system.async_impl and hasattr(file_system, f"_{name}"):
        method = getattr(file_system, f"_{name}")

        async def keep_trying() -> Any:
            return await persist_async(lambda: method(*arguments, **options), patience=patience, size=size)

        longest = patience.total_s + 2 * patience.attempt(size)
        return sync(file_system.loop, keep_trying, timeout=longest)
    pauses = _pauses(patience)
    while True:
        try:
            return getattr(file_system, name)(*arguments, **options)
        except Exception as error:  # every file system has errors of its own
            pause = next(pauses, None)
            if pause is None or not may_pass(error):
                raise
            time.sleep(pause)


async def persist_async(call: Callable[[], Awaitable[T]], *, patience: Patience, size: int = 0) -> T:
    """Await a call, and call again where that may help, like `persist`."""
    pauses = _pauses(patience)
    while True:
        try:
            return await asyncio.wait_for(call(), patience.attempt(size))
        except Exception as error:  # every file system has errors of its own
            pause = next(pauses, None)
            if pause is None or not may_pass(error):
                raise
            await asyncio.sleep(pause)


def _pauses(patience: Patience) -> Iterator[float]:
    """Give the pauses before each new attempt: longer each time, at random, so that a crowd spreads out."""
    end = time.monotonic() + patience.total_s
    longest = _FIRST_PAUSE
    while (left := end - time.monotonic()) > 0:
        yield min(random.uniform(longest / 2, longest), left)  # noqa: S311 - no secret hangs on it
        longest = min(2 * longest, _LONGEST_PAUSE)
