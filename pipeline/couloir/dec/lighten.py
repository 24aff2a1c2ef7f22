"""Where memory runs out, train with less of it: samples off the accelerator, then half the batch, and so on."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from couloir.dec.resident import Resident
from couloir.dec.samples import Samples
from couloir.dec.steps import StepMemoryError
from couloir.errors import CouloirWarning

LEAST_BATCH = 8
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
    if load.batch < 2 * LEAST_BATCH:
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


def until_it_fits(attempt: Callable[[Load], _T], load: Load) -> tuple[_T, Load]:
    """Attempt something with less and less memory, until there is enough.

    Parameters
    ----------
    attempt
        What takes memory; it begins anew each time.
    load
        What it is attempted with first.

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
    while True:
        try:
            return attempt(load), load
        except StepMemoryError:
            lighter = lighten(load, count=len(load.samples))
            if lighter is None:
                raise
        load = lighter
