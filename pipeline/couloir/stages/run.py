"""Run the stages one after another on one output place, and say what came of it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from couloir.config import RunConfig
from couloir.errors import StoreError, TooManyFailuresError
from couloir.identifiers import Block, StationDay
from couloir.runfile import dump
from couloir.stages.plan import Plan
from couloir.stages.settings import detection_hash, output_of, training_hash
from couloir.store.blocks import read_marks
from couloir.store.hold import Hold, take
from couloir.store.location import Location
from couloir.store.manifest import read_index
from couloir.store.outcomes import Outcome, read_outcomes
from couloir.store.sealed import Checksum
from couloir.store.spectrograms import SpectrogramArchive

TOLD = ("couloir", "numpy", "scipy", "pymseed", "obspy", "zarr")
"""Packages whose versions are told with a run's settings and report."""

_SUM = "# sha256 of what follows: "


@dataclass(frozen=True)
class Places:
    """Name what a finished run leaves for a user to open."""

    catalog: str
    report: str


def places(config: RunConfig) -> Places:
    """Name the catalog and the report of a run."""
    output = output_of(config)
    return Places(str(output / "catalog" / "events.csv"), str(output / "report" / "index.html"))


def keep_settings(config: RunConfig) -> None:
    """Write the resolved run file to the output, with the hashes of each stage's settings."""
    head = (
        f"# Written by couloir; the settings in full, without credentials.\n"
        f"# detection {detection_hash(config)}, training {training_hash(config)}\n"
        f"# {', '.join(f'{name} {version(name)}' for name in TOLD)}\n"
    )
    text = head + dump(config)
    (output_of(config) / "run.yaml").write_text(f"{_SUM}{Checksum.of(text.encode()).sha256}\n{text}")


def settings_are_as_written(data: bytes) -> bool:
    """Say whether a resolved run file holds what `keep_settings` wrote."""
    first, _, rest = data.partition(b"\n")
    return first == f"{_SUM}{Checksum.of(rest).sha256}".encode()


@contextmanager
def holding(config: RunConfig, *, tell: Callable[[str], None]) -> Iterator[Hold]:
    """Hold the run's output while the block runs, so that no other run writes there.

    Raises
    ------
    HeldError
        When another run holds it.
    StoreError
        When it cannot be written.
    """
    hold = take(output_of(config), tell=tell)
    try:
        yield hold
    finally:
        hold.release()


def open_archive(config: RunConfig, plan: Plan) -> SpectrogramArchive:
    """Open the spectrogram archive of a run.

    Raises
    ------
    StoreError
        When a block is missing, of other station-days, or was made with other settings.
    """
    output = output_of(config)
    expected = detection_hash(config)
    blocks = sorted(plan.inventory.blocks)
    for block, mark in read_marks(output, blocks).items():
        if mark is None:
            raise StoreError(f"{output}: block {block} is not complete. Run `couloir detect` first.")
        if mark.get("settings") != expected:
            raise StoreError(
                f"{output}: block {block} was made with other settings ({mark.get('settings')}, now {expected}). "
                "Run `couloir detect --redo` to make it again, or give another output.url."
            )
    _refuse_unfinished(output, blocks)
    return SpectrogramArchive(output, blocks)


def _refuse_unfinished(output: Location, blocks: Sequence[Block]) -> None:
    """Refuse blocks that lack station-days of the latest detection, as one that was stopped leaves them."""
    asked = read_index(output) or {}
    there: dict[Block, set[StationDay]] = defaultdict(set)
    for outcome in read_outcomes(output, blocks):
        there[outcome.station_day.block].add(outcome.station_day)
    for block in asked.keys() & set(blocks):
        if there[block] != set(asked[block]):
            raise StoreError(
                f"{output}: block {block} is of {len(there[block])} station-days, and the latest detection, which "
                f"did not come to its end, was to make it of {len(asked[block])}. Run `couloir detect` first."
            )


def check_failures(config: RunConfig, outcomes: Sequence[Outcome]) -> None:
    """Raise if more station-days failed than the run file allows, or all of them, which nothing allows.

    Raises
    ------
    TooManyFailuresError
        Naming how many, and the first of them with its reason.
    """
    failed = [outcome for outcome in outcomes if outcome.failed]
    allowed = config.compute.max_failed_fraction
    everything = len(failed) == len(outcomes)
    if failed and (everything or len(failed) > allowed * len(outcomes)):
        first = failed[0]
        limit = "nothing came of the run" if everything else f"compute.max_failed_fraction allows {allowed:.0%}"
        raise TooManyFailuresError(
            f"{len(failed)} of {len(outcomes)} station-days failed; {limit}. "
            f"The first: {first.station_day}: {first.reason.rstrip('.')}. "
            f"`couloir outcomes` lists all of them, from {output_of(config) / 'outcomes'}."
        )
