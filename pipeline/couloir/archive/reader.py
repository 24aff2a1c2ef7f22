"""Read files with ObsPy in a process of its own, which a damaged file may bring down: the child of `guard`.

A request is a JSON object after its length in 8 bytes; an answer is the same, and then the samples of its traces.
Nothing is pickled.
"""

import json
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

LENGTH_BYTES = 8


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal: the parent ends this
    asked, answers = _private_pipes()
    limit_s, memory = int(sys.argv[1]), int(sys.argv[2])
    _die_with_the_parent()
    warnings.simplefilter("ignore")
    try:
        import obspy  # noqa: F401 - seconds, which are not the first file's
    except Exception as error:
        _send(answers, {"error": f"{type(error).__name__}: {error}"}, [])
        return
    _limit_memory(memory)
    _send(answers, {}, [])
    while head := asked.read(LENGTH_BYTES):
        request = json.loads(asked.read(int.from_bytes(head, "big")))
        _limit_cpu(limit_s)
        try:
            reply, samples = _read(request["path"], request["format"])
        except MemoryError:
            reply, samples = {"error": f"reading it takes more than {memory / 1e9:.1f} GB of memory"}, []
        except Exception as error:  # readers of many formats raise anything
            reply, samples = {"error": str(error) or type(error).__name__}, []
        _send(answers, reply, samples)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for requests and answers out of reach of what a reader in C may print."""
    pipes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    return pipes


def _die_with_the_parent() -> None:
    """Ask Linux to kill this process with its parent; elsewhere a closed pipe or its CPU limit ends it."""
    if sys.platform == "linux":
        import ctypes

        parent_death_signal = 1
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def _limit_memory(memory: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # a system that knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _limit_cpu(limit_s: int) -> None:
    """Let this process end by itself where nobody is left to end it."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime) + limit_s + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _read(path: str, known: str | None) -> tuple[dict[str, Any], list[Any]]:
    import numpy as np
    import obspy

    found = known or _format_of(path)
    if found is None:
        return {"format": None, "traces": []}, []
    traces, samples = [], []
    for item in obspy.read(path, format=found):
        header, data = item.stats, np.ascontiguousarray(item.data)
        number = np.issubdtype(data.dtype, np.number)
        codes = [header.network, header.station, header.location, header.channel]
        traces.append(
            {
                "codes": [str(code) for code in codes],
                "start_ns": int(header.starttime.ns),
                "sampling_rate": float(header.sampling_rate),
                "dtype": data.dtype.str,
                "count": len(data) if number else 0,
            }
        )
        if number:
            samples.append(data)
    return {"format": found, "traces": traces}, samples


def _format_of(path: str) -> str | None:
    """Name the format that claims a file. ObsPy's own search unpickles it: that runs any code in it."""
    for name, claims in _claims():
        with suppress(Exception):  # one that stumbles over the file does not claim it
            if claims(path):
                return name
    return None


def _claims() -> Iterator[tuple[str, Any]]:
    from obspy.core.util.base import ENTRY_POINTS, buffered_load_entry_point

    for name, entry in ENTRY_POINTS["waveform"].items():
        if name != "PICKLE":
            place = f"obspy.plugin.waveform.{name}"
            yield str(name), buffered_load_entry_point(entry.dist.name, place, "isFormat")


def _send(answers: BinaryIO, reply: dict[str, Any], samples: list[Any]) -> None:
    text = json.dumps(reply).encode()
    answers.write(len(text).to_bytes(LENGTH_BYTES, "big") + text)
    for data in samples:
        answers.write(data.view("u1"))
    answers.flush()


if __name__ == "__main__":
    main()
