"""Reach a disk or a bucket with a limit for every wait: tries again what may go well, and says why it did not."""

import asyncio
import errno
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import fsspec
from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError

from couloir.errors import ConfigError

T = TypeVar("T")

SLOWEST = 1e6
"""Bytes a second below which a transfer is given up and begun again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_CONNECT_S = 10.0
_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"} | {
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "ServiceUnavailable",
    "OperationAborted",
}
_NETWORK = {"HTTPClientError", "IncompleteReadError", "IncompleteRead", "ResponseStreamingError"} | {
    "ResponseParserError",
    "ClientConnectionError",
    "ClientPayloadError",
}
"""Classes of HTTP libraries, by name: they are not imported where no bucket is read."""
_PASSING_ERRNO = frozenset({errno.EBUSY, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE, errno.ESTALE})


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
    patience = patience or Patience()
    if protocol in ("s3", "s3a"):
        limits = {
            "connect_timeout": _CONNECT_S,
            "read_timeout": patience.attempt_s,
            "retries": {"max_attempts": 0},
        }
        given["config_kwargs"] = {**limits, **given.get("config_kwargs", {})}
        given.setdefault("use_listings_cache", False)
    if asynchronous:
        given["asynchronous"] = True
    try:
        file_system, path = fsspec.core.url_to_fs(url, **given)
    except (ValueError, ImportError, TypeError) as error:
        raise ConfigError(f"cannot open {url}: {error}") from error
    if hasattr(file_system, "retries"):
        file_system.retries = 1
    return file_system, path.rstrip("/")


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


def may_pass(error: BaseException) -> bool:
    """Say whether what went wrong may go well another time: the network, a busy server, a timeout."""
    for one in _chain(error):
        status, code = _answer(one)
        if status is not None:
            return status >= 500 or status == 429 or code in _THROTTLED
        if isinstance(one, TimeoutError | FSTimeoutError | ConnectionError):
            return True
        if any(parent.__name__ in _NETWORK for parent in type(one).__mro__):
            return True
        if isinstance(one, OSError) and one.errno in _PASSING_ERRNO:
            return True
    return False


def explain(error: BaseException) -> str:
    """Say in one line what went wrong and, where it is known, what to do; without credentials."""
    codes = {_answer(one)[1] for one in _chain(error)}
    names = {type(one).__name__ for one in _chain(error)}
    numbers = {one.errno for one in _chain(error) if isinstance(one, OSError)}
    told = f"{type(error).__name__}: {_one_line(error)}" if str(error).strip() else type(error).__name__
    if isinstance(error, TimeoutError | FSTimeoutError):
        told = "no answer in time"
    if names & {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}:
        return (
            f"no credentials ({told}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or storage_options "
            "{profile: ...}, or {anon: true} for a public bucket"
        )
    if codes & {"NoSuchBucket"} or "bucket does not exist" in told:
        return "the bucket does not exist"
    if codes & {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}:
        return f"the credentials are refused ({told})"
    if codes & {"AccessDenied", "403", "Forbidden"} or isinstance(error, PermissionError):
        return f"access denied ({told}): check the credentials and permissions"
    if errno.ENOSPC in numbers or errno.EDQUOT in numbers:
        return f"no space left ({told})"
    if errno.EROFS in numbers:
        return f"read-only ({told})"
    return told


def is_denied(error: BaseException) -> bool:
    """Say whether access was refused, for good."""
    return isinstance(error, PermissionError) or any(_answer(one)[0] in (401, 403) for one in _chain(error))


def is_taken(error: BaseException) -> bool:
    """Say whether an object that should be created is there already."""
    return any(
        isinstance(one, FileExistsError) or _answer(one)[0] == 412 or _answer(one)[1] == "PreconditionFailed"
        for one in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _answer(error: BaseException) -> tuple[int | None, str]:
    """Give the status and the code of a server's answer, as botocore keeps them."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return None, ""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status, str(response.get("Error", {}).get("Code", ""))


_SECRETS = re.compile(r"(?i)(AWSAccessKeyId=|Credential=|Signature=|X-Amz-[A-Za-z-]+=)[^&\s]+|//[^/@\s]+@")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    text = _SECRETS.sub(lambda found: (found.group(1) or "//") + "...", text)
    return text if len(text) <= 300 else text[:300] + " ..."
