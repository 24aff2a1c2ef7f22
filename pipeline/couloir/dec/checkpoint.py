"""Turn the state of a training into bytes and back, and notice bytes that were damaged on the way.

A checkpoint is an ``.npz`` file without pickles, followed by the SHA-256 of it. Its entry ``header`` is
JSON in UTF-8: the state, in which ``{"$array": n}`` stands for the entry ``array_n``.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 2
"""Raised whenever the state holds other things than before."""

_ARRAY = "$array"
_DIGEST_BYTES = hashlib.sha256().digest_size

State = dict[str, Any]
"""Numbers, strings, None, lists and dicts of them, and NumPy arrays anywhere in it."""


def pack(state: Mapping[str, Any]) -> bytes:
    """Write a state as bytes; tuples come back as lists.

    Raises
    ------
    TypeError
        When the state holds something that is neither JSON nor an array of numbers.
    """
    arrays: list[NDArray[Any]] = []

    def put_aside(value: object) -> dict[str, int]:
        if not isinstance(value, np.ndarray) or value.dtype.hasobject:
            raise TypeError(f"a checkpoint holds JSON and arrays of numbers; found {type(value).__name__}")
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}

    header = json.dumps(state, default=put_aside).encode()
    entries = {f"array_{number}": array for number, array in enumerate(arrays)}
    buffer = io.BytesIO()
    np.savez(buffer, header=np.frombuffer(header, np.uint8), **entries)  # type: ignore[arg-type]  # a keyword's type
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    return buffer.getvalue()


def unpack(data: bytes) -> State:
    """Read back what `pack` wrote.

    Raises
    ------
    ValueError
        When the bytes are not those that were written.
    """
    content = memoryview(data)[:-_DIGEST_BYTES]
    if hashlib.sha256(content).digest() != data[-_DIGEST_BYTES:]:
        raise ValueError(f"the checksum of its {len(data)} bytes does not match")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}

    def put_back(found: dict[str, Any]) -> Any:
        return arrays[f"array_{found[_ARRAY]}"] if _ARRAY in found else found

    state: State = json.loads(arrays["header"].tobytes(), object_hook=put_back)
    return state
