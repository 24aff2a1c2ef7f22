"""Count the station-days of a detection, for `couloir status`."""

from dataclasses import dataclass, field

from couloir.identifiers import StationDay
from couloir.store.outcomes import Outcome
from couloir.store.recorder import Recorder


@dataclass
class DayCount:
    """Count the station-days of a detection; those that an earlier run completed are told before any other."""

    record: Recorder
    total: int
    before: int = 0
    worked: int = 0
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("written", "events", "bytes", "failed"), 0)
    )
    unit = "station-days"

    def complete(self, outcome: Outcome) -> None:
        """Count one whose block is complete."""
        self.before += not self.worked
        told = {"written": 1, "events": outcome.events, "bytes": outcome.read_bytes, "failed": outcome.failed}
        self.counts = {name: number + told[name] for name, number in self.counts.items()}
        self._tell()

    def work(self, _: StationDay) -> None:
        """Count one that was worked on now."""
        self.worked += 1
        self._tell()

    def _tell(self) -> None:
        done = self.before + self.worked
        self.record.tell(done, self.total, unit=self.unit, before=self.before, counts=self.counts)
