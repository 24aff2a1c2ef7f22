"""Settle what would be another thing on another machine, before a run is submitted to a cluster."""

import math
from collections.abc import Callable

from couloir.config import RunConfig
from couloir.stages.plan import Plan

_HOUR_S = 3_600
_MOST_WORKERS = 64
"""Workers that are asked for where the run file does not say how many, at most."""
_LOCATED = (
    ("archive", "url"),
    ("archive", "stationxml"),
    ("output", "url"),
    ("catalog", "truth"),
    ("catalog", "labels"),
)
"""Settings that may be paths."""


def worth_workers(plan: Plan) -> int:
    """Say how many workers end detection within about an hour; more than station-days have nothing to do."""
    return max(1, min(math.ceil(plan.core_seconds / _HOUR_S), plan.station_days, _MOST_WORKERS))


def located(config: RunConfig) -> dict[str, str]:
    """Give the settings of a run that are paths or URLs, by their names in the run file."""
    found = {f"{section}.{key}": getattr(getattr(config, section), key) for section, key in _LOCATED}
    return {name: place for name, place in found.items() if place is not None}


def with_located(config: RunConfig, place: Callable[[str], str]) -> RunConfig:
    """Put other paths in the place of a run's own."""
    for section, key in _LOCATED:
        held = getattr(config, section)
        if (before := getattr(held, key)) is not None:
            config = config.model_copy(update={section: held.model_copy(update={key: place(before)})})
    return config
