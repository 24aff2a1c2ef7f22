"""Add up what the station-days of a run cost, step by step."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from couloir.store.outcomes import Outcome

STEPS = ("read", "decode", "detect", "spectrogram", "write")
SLOWEST = 3


@dataclass(frozen=True)
class Throughput:
    """Hold what a run's station-days cost in all.

    Attributes
    ----------
    seconds : tuple of (str, float)
        Core seconds of each step.
    channel_days_per_core_hour, megabytes_per_core_second, events_per_core_second : float
        0 where no time was spent.
    slowest : tuple of (Outcome, float)
        The station-days that took longest, with their core seconds.
    """

    seconds: tuple[tuple[str, float], ...]
    channel_days_per_core_hour: float
    megabytes_per_core_second: float
    events_per_core_second: float
    slowest: tuple[tuple[Outcome, float], ...]

    @property
    def total(self) -> float:
        """Core seconds in all."""
        return sum(value for _, value in self.seconds)


def add_up(outcomes: Sequence[Outcome]) -> Throughput:
    """Add up the seconds, bytes and events of station-days."""
    steps: Counter[str] = Counter()
    for outcome in outcomes:
        steps.update(outcome.seconds)
    total = sum(steps.values())
    each = sorted(((outcome, sum(outcome.seconds.values())) for outcome in outcomes), key=lambda pair: -pair[1])
    return Throughput(
        tuple((name, steps[name]) for name in STEPS),
        _rate(3600 * sum(len(outcome.components) for outcome in outcomes), total),
        _rate(sum(outcome.read_bytes for outcome in outcomes) / 1e6, total),
        _rate(sum(outcome.events for outcome in outcomes), total),
        tuple(each[:SLOWEST]),
    )


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if seconds > 0 else 0.0
