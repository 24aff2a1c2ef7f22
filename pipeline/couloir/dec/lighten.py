"""Where memory runs out, train with less of it: samples off the accelerator, then half the batch, and so on."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from couloir.dec.checkpoint import State
from couloir.dec.keeper import Keeper
from couloir.dec.resident import Resident
from couloir.dec.samples import Samples
from couloir.dec.steps import StepMemoryError
from couloir.errors import CouloirWarning

_LEAST_BATCH = 8
"""Batches are halved down to this."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Load:
    """Hold what decides the memory that training takes.

    Attributes
    ----------
    samples
        (N, F, T, C), on the accelerator or elsewhere.
    batch
        Samples a step.
    """

    samples: Samples
    batch: int


def lighten(load: Load, *, count: int) -> Load | None:
    """Give what takes less memory, or None when nothing does.

    Samples leave the accelerator first: their room is worth more than half a batch, which changes the model.

    Parameters
    ----------
    load
        What memory ran out with.
    count
        Samples that are trained on; no batch is larger.

    Warns
    -----
    CouloirWarning
        When the batch is halved.
    """
    if isinstance(load.samples, Resident):
        return Load(load.samples.origin, load.batch)
    if load.batch < 2 * _LEAST_BATCH:
        return None
    asked = min(load.batch, count)
    half = asked // 2
    warnings.warn(
        f"Memory ran out with batches of {asked}: training begins again with batches of {half}. The model is "
        f"another one than with train.batch: {asked}; more memory keeps it.",
        CouloirWarning,
        stacklevel=3,
    )
    return Load(load.samples, half)


def until_it_fits(
    attempt: Callable[[Load, State], _T],
    load: Load,
    *,
    keeper: Keeper,
    identity: Mapping[str, str],
    count: int | None = None,
) -> tuple[_T, Load]:
    """Attempt a training with less and less memory, until there is enough.

    It begins with the batch that its checkpoint was made with, if there is one.

    Parameters
    ----------
    attempt
        Trains with a load, from what an earlier training with such batches left: a state, or an empty one.
    load
        What is asked for.
    keeper
        Keeps checkpoints of what is attempted.
    identity
        As for `Keeper.load`.
    count
        As for `lighten`; all samples when not given.

    Returns
    -------
    result
        Of the attempt that went through.
    load
        What it went through with.

    Raises
    ------
    StepMemoryError
        When nothing takes less.
    """
    earlier = keeper.load(identity)
    load = Load(load.samples, earlier.get("batch", load.batch))
    while True:
        try:
            return attempt(load, earlier), load
        except StepMemoryError:
            lighter = lighten(load, count=len(load.samples) if count is None else count)
            if lighter is None:
                raise
        keeper.release()
        earlier = keeper.load({}) if lighter.batch == load.batch else {}
        load = lighter
