"""Judge what a disk or a bucket raised: whether it passes, what it means and what to do, without credentials."""

import errno
import os
import re
import socket
from collections.abc import Iterator, Mapping

_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"} | {
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "ServiceUnavailable",
    "OperationAborted",
    "BadDigest",
    "IncompleteBody",
    "XAmzContentSHA256Mismatch",
}
"""Codes of S3 that say: later. The last three are of what was changed or cut on its way."""
_UNREACHABLE = {"ConnectionError", "ClientConnectorError", "ServerDisconnectedError"}
_NETWORK = {"HTTPClientError", "IncompleteReadError", "IncompleteRead", "ResponseStreamingError"} | {
    "ResponseParserError",
    "ClientConnectionError",
    "ClientPayloadError",
}
"""Classes of HTTP libraries, by name: they are not imported where no bucket is read."""
_LATE = {"ReadTimeoutError", "ConnectTimeoutError", "FSTimeoutError"}
_UNTRUSTED = {"SSLError", "ClientSSLError", "ClientConnectorCertificateError"}
_PASSING_ERRNO = frozenset(
    {errno.EBUSY, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE, errno.ESTALE, errno.EHOSTUNREACH}
    | {errno.ENETUNREACH, errno.ENETDOWN, errno.EAGAIN}
)


def may_pass(error: BaseException) -> bool:
    """Say whether what went wrong may go well another time: the network, a busy server, a timeout."""
    for one in _chain(error):
        status, code = _answer(one)
        if status is not None:
            return status in (408, 429) or (status >= 500 and status != 501) or code in _THROTTLED
        names = {parent.__name__ for parent in type(one).__mro__}
        if names & _UNTRUSTED or _is_unknown_host(one):
            return False
        if isinstance(one, TimeoutError | ConnectionError) or names & (_NETWORK | _UNREACHABLE | _LATE):
            return True
        if isinstance(one, OSError) and one.errno in _PASSING_ERRNO:
            return True
    return False


_REMEDIES = (
    (
        {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError"},
        (
            "no credentials ({told}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or storage_options "
            "{{profile: ...}}, or {{anon: true}} for a public bucket"
        ),
    ),
    ({"NoSuchBucket"}, "the bucket does not exist"),
    ({"ExpiredToken", "ExpiredTokenException"}, "the credentials have expired ({told}): get new ones"),
    ({"RequestTimeTooSkewed"}, "the server refuses this machine's time ({told}): set the clock"),
    (
        {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"},
        "the credentials are refused ({told}): check the keys, and that they are this server's",
    ),
    (
        {"AccessDenied", "403", "Forbidden", "PermissionError"},
        "access denied ({told}): check the credentials and permissions",
    ),
    (
        {"PermanentRedirect", "301", "AuthorizationHeaderMalformed"},
        "the bucket is in another region ({told}): set AWS_DEFAULT_REGION",
    ),
    ({"ENOSPC", "EDQUOT"}, "no space left ({told})"),
    ({"EROFS"}, "read-only ({told})"),
    (_UNTRUSTED, "the server's certificate is not trusted ({told}): check endpoint_url, or set AWS_CA_BUNDLE"),
    ({"TimeoutError"} | _LATE, "no answer in time"),
    ({"ClientPayloadError", "ResponseStreamingError", "IncompleteReadError"}, "the answer broke off ({told})"),
    (
        _UNREACHABLE | {"ConnectionClosedError"},
        "the server cannot be reached ({told}): check endpoint_url and the network",
    ),
    (_THROTTLED | {"429", "500", "502", "503", "504"}, "the server is busy ({told})"),
)
"""What a code, the name of a class or of an errno means; the first that matches."""


def explain(error: BaseException) -> str:
    """Say in one line what went wrong and, where it is known, what to do; without credentials."""
    known: set[str] = set()
    name = type(error).__name__
    for one in _chain(error):
        code = _answer(one)[1]
        known.add(code)
        name = code if code and not code.isdigit() else name
        known |= {parent.__name__ for parent in type(one).__mro__}
        if isinstance(one, OSError) and one.errno is not None:
            known.add(errno.errorcode.get(one.errno, ""))
    told = f"{name}: {one_line(error)}" if str(error).strip() else name
    if "bucket does not exist" in told:
        known.add("NoSuchBucket")
    for names, text in _REMEDIES:
        if known & names:
            return text.format(told=told)
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
    """Give the status and the code of a server's answer, as botocore and other HTTP clients keep them."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status, str(response.get("Error", {}).get("Code", ""))
    for name in ("status", "status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and 400 <= status < 600:
            return status, str(status)
    return None, ""


def _is_unknown_host(error: BaseException) -> bool:
    """Say whether there is no server of that name: botocore keeps the reason beside, not as the cause."""
    one: BaseException | None = error
    for _ in range(5):
        if isinstance(one, socket.gaierror):
            return one.errno == socket.EAI_NONAME
        one = (one.__cause__ or one.__context__) if one is not None else None
    return False


_SECRETS = re.compile(
    r"(?i)((?:AWSAccessKeyId|Credential|Signature|GoogleAccessId|sig|X-(?:Amz|Goog)-[A-Za-z-]+)=)[^&\s\"',]+"
    r"|//[^/@\s]+@"
)
_HELD = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")


def without_secrets(text: str) -> str:
    """Take out keys and signatures of a URL, and whatever credential this process holds."""
    text = _SECRETS.sub(lambda found: (found.group(1) or "//") + "...", text)
    for name in _HELD:
        if len(value := os.environ.get(name, "")) > 3:
            text = text.replace(value, "...")
    return text


def one_line(error: BaseException) -> str:
    """Give what an error says in one line of bounded length, without credentials."""
    text = without_secrets(" ".join(str(error).split()))
    return text if len(text) <= 300 else text[:300] + " ..."
