"""Hold an output for one run at a time: by an object that only one can create, and signs of life in it.

Who holds it, or held it last, is told by the highest number under ``OUTPUT/hold``. To take hold is to create the
next number, which the file system grants to one only, and numbers never begin anew. A run that was taken over from
notices at its next sign of life, and its workers before they complete a block.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace

from couloir.errors import HeldError
from couloir.storage import Patience
from couloir.store.holder import STALE_S, Holder
from couloir.store.location import Location

FOLDER = "hold"
SIGN_S = 15.0
"""Time between two signs of life, s."""
WATCH_S = 2.5 * SIGN_S
"""How long the hold of another machine is watched, to see it is silent, before it is taken over, s."""
_LOOKS = 5
_HASTE = Patience(total_s=5.0, attempt_s=5.0)
"""For letting go: what stops may be killed soon."""


class Hold:
    """Hold an output until `release`; made by `take`.

    Parameters
    ----------
    output : Location
    holder : Holder
    number : int
        Of the object that says so.
    """

    def __init__(self, output: Location, holder: Holder, number: int) -> None:
        self.output = output
        self.holder = holder
        self._place = _place(output, number)
        self._end = threading.Event()
        self._lost = False
        self._signs = threading.Thread(target=self._give_signs, name="couloir-hold", daemon=True)
        self._signs.start()

    @property
    def token(self) -> str:
        """What a worker asks `holds` about."""
        return self.holder.token

    def check(self) -> None:
        """Refuse to go on when another run has taken over.

        Raises
        ------
        HeldError
        """
        if self._lost:
            raise HeldError(
                f"{self.output} was taken over by another run: this one had given no sign of life for "
                f"{STALE_S:.0f} s. What it had completed stays."
            )

    def release(self) -> None:
        """Let others have it."""
        self._end.set()
        self._signs.join(_HASTE.total_s)
        with suppress(Exception):  # it goes stale by itself
            if holds(replace(self.output, patience=_HASTE), self.token):
                place = replace(self._place, patience=_HASTE)
                place.write_bytes(_write(replace(self.holder, released=True)))

    def _give_signs(self) -> None:
        while not self._end.wait(SIGN_S):
            try:
                if not holds(self.output, self.token):
                    self._lost = True
                    return
                self.holder = replace(self.holder, sign=time.time())
                if not self._end.is_set():
                    self._place.write_bytes(_write(self.holder))
            except Exception:  # noqa: S112 - away for a while; who takes over meanwhile is seen next time
                continue


def _nobody(message: str) -> None:
    """Tell nobody."""


def take(output: Location, *, tell: Callable[[str], None] = _nobody) -> Hold:
    """Take hold of an output, from a run that died if need be.

    Parameters
    ----------
    output : Location
    tell : callable
        Told what is waited for.

    Raises
    ------
    HeldError
        When another run holds it.
    StoreError
        When the output cannot be written: this is the first thing that is.
    """
    held = _highest(output)
    if held is not None:
        _refuse_the_living(output, *held, tell)
    number = 1 + (held[0] if held else 0)
    holder = Holder.here()
    won = _place(output, number).create(_write(holder))
    if not won or not holds(output, holder.token):  # others were faster: by a moment, or by whole runs
        if won:
            _place(output, number).remove()
        raise HeldError(f"{output} was taken by another run this very moment. Wait for it, or stop it.")
    for old in (n for n in _numbers(output) if n < number):
        _place(output, old).remove()
    return Hold(output, holder, number)


def holds(output: Location, token: str) -> bool:
    """Say whether a run still holds an output."""
    held = _highest(output)
    return held is not None and held[1].token == token and not held[1].released


def read_holder(output: Location) -> Holder | None:
    """Read who holds an output, or held it last; None before the first run.

    Raises
    ------
    HeldError
        When what should say so is damaged.
    """
    held = _highest(output)
    return held and held[1]


def _refuse_the_living(output: Location, number: int, holder: Holder, tell: Callable[[str], None]) -> None:
    """Raise unless the holder has let go, is known to be dead, or is silent for long and while being watched."""
    if holder.released or holder.is_gone:
        return
    silent = time.time() - holder.sign
    if silent > STALE_S:
        tell(f"{output} is held by {holder}, silent for {silent:.0f} s: watching it for {WATCH_S:.0f} s")
        end = time.monotonic() + WATCH_S
        while time.monotonic() < end and _read(output, number) == holder:
            time.sleep(WATCH_S / 20)
        if _read(output, number) == holder:
            return
    raise HeldError(
        f"{output} is held by {holder}, last sign of life {max(silent, 0):.0f} s ago. Wait for it, stop it, or "
        f"give another output.url. A run that died without a word holds it for {STALE_S:.0f} s after that sign."
    )


def _numbers(output: Location) -> list[int]:
    names = (name.removesuffix(".json") for name in (output / FOLDER).names())
    return sorted(int(name) for name in names if name.isdigit())


def _highest(output: Location) -> tuple[int, Holder] | None:
    """Read who holds, or held last; it may be superseded while this looks, so it looks again."""
    for _ in range(_LOOKS):
        numbers = _numbers(output)
        if not numbers:
            return None
        if holder := _read(output, numbers[-1]):
            return numbers[-1], holder
    raise HeldError(
        f"{_place(output, numbers[-1])} does not say who holds the output. Remove it if no run is going on."
    )


def _place(output: Location, number: int) -> Location:
    return output / FOLDER / f"{number:06d}.json"


def _write(holder: Holder) -> bytes:
    return json.dumps(asdict(holder), indent=1).encode()


def _read(output: Location, number: int) -> Holder | None:
    """Read who holds; None when that is gone, or damaged."""
    data = _place(output, number).read_bytes()
    try:
        return Holder(**json.loads(data or b""))
    except (ValueError, TypeError):
        return None
