"""Tell what bytes are that no reader need be asked about."""

import re

_FAILED = "a download that failed?"
_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x1f\x8b"), "it is gzip-compressed: decompress it first"),
    (re.compile(rb"BZh[1-9]"), "it is bzip2-compressed: decompress it first"),
    (re.compile(rb"\xfd7zXZ\0"), "it is xz-compressed: decompress it first"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "it is zstd-compressed: decompress it first"),
    (re.compile(rb"PK\x03\x04"), "it is a zip archive: unpack it first"),
    (
        re.compile(rb"\s*<(!doctype html|html|head|body)\b", re.IGNORECASE),
        f"it holds HTML: {_FAILED}",
    ),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|error)\b", re.IGNORECASE), f"it holds XML: {_FAILED}"),
    (
        re.compile(rb"version https://git-lfs"),
        "it is a Git LFS pointer: fetch the file with `git lfs pull`",
    ),
)
_HEADER_END = 48
"""Bytes of the fixed header of miniSEED 2."""
_LONGEST_CHAIN = 32
"""Blockettes that are followed before a header is taken for damaged."""


def what_it_is(data: bytes) -> str | None:
    """Say what a file is that is surely no recording, and what to do about it; None when it may be one."""
    for pattern, told in _KINDS:
        if pattern.match(data):
            return told
    if not data.strip(b"\0"):
        return "it holds zeros only: a copy that failed, or a disk that was full?"
    return None


def as_text(data: bytes, most: int = 40) -> str | None:
    """Give the beginning of bytes that are text, to show what is in a file; None when they are not."""
    try:
        text = data[: 4 * most].decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    line = text.splitlines()[0][:most] if text else ""
    return line if line and line.isprintable() else None


def lacks_blockette_1000(data: bytes) -> bool:
    """Say whether a record of miniSEED 2 has blockettes, or none, that leave its encoding open."""
    if data.startswith(b"MS") or len(data) < _HEADER_END:
        return False
    order = "big" if 1900 <= int.from_bytes(data[20:22], "big") <= 2100 else "little"
    position = int.from_bytes(data[46:48], order)  # type: ignore[arg-type]
    for _ in range(_LONGEST_CHAIN):
        if position < _HEADER_END or position + 4 > len(data):
            return True
        if int.from_bytes(data[position : position + 2], order) == 1000:  # type: ignore[arg-type]
            return False
        position = int.from_bytes(data[position + 2 : position + 4], order)  # type: ignore[arg-type]
    return True
