"""Keep what became of every station-day."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Literal

from couloir.errors import StoreError
from couloir.identifiers import BandId, Block, StationDay
from couloir.store.location import READERS, Location
from couloir.store.sealed import Checksum

Status = Literal["ok", "empty", "flat", "too_gappy", "unreadable", "failed"]
FAILURES: tuple[Status, ...] = ("unreadable", "failed")
"""Statuses that count against `compute.max_failed_fraction`."""


@dataclass(frozen=True)
class Outcome:
    """Hold what became of one station-day.

    Attributes
    ----------
    status : str
        ``ok``; ``empty``: no samples of that day; ``flat``: MAD = 0; ``too_gappy``: too few valid samples to
        measure the noise; ``unreadable``: no object of it decodes; ``failed``: something else broke, and the next
        run tries again.
    reason : str
        Why it is not ok.
    events : int
        Windows stored.
    dropped : int
        Windows not stored: too few of their samples were recorded, or `detect.max_windows` was exceeded.
    components : str
        Those that were used, out of ENZ.
    valid_s : float
        Seconds of the day that counted.
    median, mad : float or None
        Noise of the envelope over the day, in counts or in what `archive.stationxml` makes of them; of the first
        component and band where there are several.
    read_bytes : int
    seconds : mapping of str to float
        Time spent in each step.
    remarks : tuple of str
        What was odd, refused or repaired, without making the day useless.
    """

    station_day: StationDay
    status: Status
    reason: str = ""
    events: int = 0
    dropped: int = 0
    components: str = ""
    valid_s: float = 0.0
    median: float | None = None
    mad: float | None = None
    read_bytes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it counts as a failure."""
        return self.status in FAILURES


def write_outcomes(output: Location, block: Block, outcomes: Sequence[Outcome]) -> dict[str, Checksum]:
    """Write the outcomes of a block's station-days, and sum them up by their path from the output."""
    rows = []
    for outcome in outcomes:
        row = asdict(outcome) | {
            "station": str(outcome.station_day.band),
            "day": outcome.station_day.day.isoformat(),
        }
        del row["station_day"]
        rows.append({"station": row.pop("station"), "day": row.pop("day"), **row})
    data = json.dumps(rows, indent=1).encode()
    (output / _path(block)).write_bytes(data)
    return {_path(block): Checksum.of(data)}


def read_outcomes(output: Location, blocks: Iterable[Block]) -> list[Outcome]:
    """Read the outcomes of blocks, by known keys; a block without any gives none.

    Raises
    ------
    StoreError
        When one cannot be read, or is damaged.
    """
    wanted = list(blocks)
    with ThreadPoolExecutor(READERS) as readers:
        return [outcome for found in readers.map(lambda block: _read(output, block), wanted) for outcome in found]


def _read(output: Location, block: Block) -> list[Outcome]:
    text = (output / _path(block)).read_text()
    outcomes = []
    try:
        for row in json.loads(text) if text else ():
            station_day = StationDay(BandId.parse(row.pop("station")), dt.date.fromisoformat(row.pop("day")))
            outcomes.append(Outcome(station_day, **row | {"remarks": tuple(row["remarks"])}))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{output / _path(block)} is damaged ({error}). Remove it and run `couloir detect` again."
        ) from error
    return outcomes


def _path(block: Block) -> str:
    return f"outcomes/{block.key}.json"
