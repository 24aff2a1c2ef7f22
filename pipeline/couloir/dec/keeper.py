"""Keep the state of a training while it goes on, and find it again after it was killed."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from couloir.dec.checkpoint import State, pack, unpack
from couloir.errors import CouloirWarning, HeldError

EVERY_S = 60.0
"""A training that is killed loses about this much of its work, s."""

_SPARING = 10
"""Between two checkpoints lies at least this many times what it took to write one."""


class Place(Protocol):
    """Hold one checkpoint, whole: a reader sees the old one or the new one, never a part."""

    def read_bytes(self) -> bytes | None:
        """Read it, or give None when there is none."""

    def write_bytes(self, data: bytes) -> None:
        """Replace it."""


def never_stop() -> None:
    """Let training go on."""


class Keeper:
    """Write checkpoints between steps, when they are due or when training is to stop.

    They go to the places in turn: while one is written the one before it stands whole. When they are
    written never changes what training comes to.

    Parameters
    ----------
    places
        Where to keep checkpoints; none are kept without places.
    made_from
        What is trained on and how, in short, such as a hash.
    every_s
        Seconds between two checkpoints; more when writing one takes more than a tenth of it. 0: one at
        every pause between steps, whatever it costs.
    check_stop
        Called between steps. What it raises ends the training, after a checkpoint.
    """

    def __init__(
        self,
        places: Sequence[Place] = (),
        *,
        made_from: str = "",
        every_s: float = EVERY_S,
        check_stop: Callable[[], None] = never_stop,
    ) -> None:
        self._places, self._every_s, self._check_stop = tuple(places), every_s, check_stop
        self._identity = {"archive and settings": made_from}
        self._parts: dict[str, Callable[[], Any]] = {}
        self._due = time.monotonic() + every_s
        self._turn = self._number = 0

    def load(self, identity: Mapping[str, str]) -> State:
        """Give the last state that was kept of this very training, or an empty one.

        Parameters
        ----------
        identity
            What else decides the result, by what a reader would call it. A checkpoint with another
            identity is never used.

        Warns
        -----
        CouloirWarning
            When a checkpoint is damaged or is another training's.
        """
        self._identity |= identity
        latest: State = {}
        for turn, place in enumerate(self._places):
            state = self._read(place)
            if state and state["number"] >= latest.get("number", 0):
                latest = state
                self._turn, self._number = (turn + 1) % len(self._places), state["number"]
        return latest

    def follow(self, name: str, state: Callable[[], Any]) -> None:
        """Keep from now on what ``state`` gives, under ``name``, in every checkpoint."""
        self._parts[name] = state

    def forget(self, name: str) -> None:
        """Keep this no longer."""
        self._parts.pop(name, None)

    def release(self) -> None:
        """Follow nothing any longer: what was written last stands, however training goes on."""
        self._parts.clear()

    def pause(self) -> None:
        """Write a checkpoint if one is due, or end the training here if it is to stop.

        Call it only where all that is followed fits together.
        """
        try:
            self._check_stop()
        except HeldError:  # the place is another's now
            raise
        except BaseException:
            self.save()
            raise
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Write a checkpoint now.

        Warns
        -----
        CouloirWarning
            When it cannot be written; the one before it stands.
        """
        if not self._places or not self._parts:
            return
        began = time.monotonic()
        failed: Exception | None = None
        try:
            state = {name: part() for name, part in self._parts.items()}
            data = pack({"identity": self._identity, "number": self._number + 1, **state})
            self._places[self._turn].write_bytes(data)
            self._turn, self._number = (self._turn + 1) % len(self._places), self._number + 1
        except Exception as error:  # every file system has errors of its own
            failed = error
        now = time.monotonic()
        wait = max(self._every_s, _SPARING * (now - began)) if self._every_s else 0.0
        self._due = now + wait
        if failed is not None:
            self._warn(
                f"A checkpoint of the training could not be written: {failed}. Training goes on and tries again "
                f"in {wait:.0f} s; killed before that, it goes on from the checkpoint before."
            )

    def _read(self, place: Place) -> State:
        data = place.read_bytes()
        if data is None:
            return {}
        try:
            state = unpack(data)
            held, _ = dict(state["identity"]), int(state["number"])
        except (ValueError, KeyError, TypeError) as error:
            self._warn(f"The checkpoint {place} is damaged ({error}): it is not used, and will be replaced.")
            return {}
        wrong = [name for name in {**self._identity, **held} if held.get(name) != self._identity.get(name)]
        if not wrong:
            return state
        self._warn(
            f"The checkpoint {place} is of another training ({', '.join(wrong)} differ): it is not used, and "
            "will be replaced."
        )
        return {}

    @staticmethod
    def _warn(text: str) -> None:
        warnings.warn(text, CouloirWarning, stacklevel=4)
