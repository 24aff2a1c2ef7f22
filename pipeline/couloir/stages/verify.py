"""Verify: read everything an output holds, and say what is not as it was written or does not fit together."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from couloir.catalog.events import read_events
from couloir.config import RunConfig
from couloir.errors import CouloirError, DamagedError, MissingStageError, ModelFileError
from couloir.identifiers import Block
from couloir.stages.catalog import catalog_mark
from couloir.stages.comparison import FOLDER as SELECTION
from couloir.stages.held import is_imported, mark_in_use, read_card
from couloir.stages.marks import COMPLETION, is_announced, read_completion
from couloir.stages.report import report_mark
from couloir.stages.run import settings_are_as_written
from couloir.stages.seeds import with_held_seeds
from couloir.stages.settings import Picturing, detection_hash, output_of
from couloir.stages.train import model_mark
from couloir.store.blocks import ARCHIVE, GROUP, read_mark
from couloir.store.events import event_id
from couloir.store.location import READERS, Location
from couloir.store.manifest import INDEX, kept_blocks, read_index, read_manifest
from couloir.store.outcomes import read_outcomes
from couloir.store.sealed import Checksum
from couloir.store.spectrograms import SpectrogramArchive

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Problem:
    """Say what is wrong, and where."""

    place: str
    what: str


@dataclass(frozen=True)
class Verified:
    """Hold what a verification found.

    Attributes
    ----------
    objects, size : int
        Objects that were read and compared with their checksum, and their bytes.
    missing : tuple of str
        Stages that have not been run yet, or not to their end.
    problems : tuple of Problem
    """

    objects: int
    size: int
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]


def verify(config: RunConfig, *, progress: Progress) -> Verified:
    """Compare every object of a run's output with its checksum, and its parts with each other.

    It asks the output alone, not the archive. What tells of runs and not of results is not looked at: ``hold``,
    ``progress`` and ``submission.json``.

    Parameters
    ----------
    config : RunConfig
    progress : callable
        Told objects compared and in all.

    Raises
    ------
    MissingStageError
        When the output holds no run.
    """
    return _Verification(with_held_seeds(config), progress).run()


class _Verification:
    def __init__(self, config: RunConfig, progress: Progress) -> None:
        self._config = config
        self._output = output_of(config)
        self._progress = progress
        self._problems: list[Problem] = []
        self._missing: list[str] = []
        self._checksums: dict[str, Checksum] = {}

    def run(self) -> Verified:
        """Verify from the bottom up: objects, blocks, and what was made from them."""
        blocks = self._blocks()
        self._check_settings()
        self._check_groups_above(blocks)
        for block in sorted({*blocks, *kept_blocks(self._output)}):
            self._note_manifest(block, expected=block in blocks)
        completions = {stage: self._note_completion(stage) for stage in ("model", "catalog", "report")}
        if (self._output / SELECTION / COMPLETION).exists():
            self._note_completion(SELECTION)
        if any(completions.values()):
            for text in [text for text in self._missing if text.startswith("detection")]:
                self._missing.remove(text)
                self._note(text, "is not complete, though there is what was made from it")
        self._compare()
        damaged = bool(self._problems)
        if not damaged:  # what does not read cannot be compared
            for block in blocks:
                self._collect(f"{ARCHIVE}/{block.key}", partial(_block_problems, self._config, block))
            self._collect("model, catalog, report", partial(self._fit, blocks, completions))
        sizes = [checksum.size for checksum in self._checksums.values()]
        return Verified(len(sizes), sum(sizes), tuple(self._missing), tuple(self._problems))

    def _note(self, place: str, what: str) -> None:
        self._problems.append(Problem(place, what))

    def _collect(self, place: str, find: Callable[[], Iterable[str]]) -> None:
        try:
            for what in find():
                self._note(place, what)
        except CouloirError as error:
            self._note(place, str(error))

    def _blocks(self) -> list[Block]:
        try:
            index = read_index(self._output)
        except DamagedError as error:
            self._note(INDEX, str(error))
            return kept_blocks(self._output)
        if index is None:
            raise MissingStageError(f"{self._output} holds no run to verify. Run `couloir run` first.")
        return sorted(index)

    def _check_settings(self) -> None:
        data = (self._output / "run.yaml").read_bytes()
        if data is None:
            self._note("run.yaml", "is gone")
        elif not settings_are_as_written(data):
            self._note("run.yaml", "is not as it was written")

    def _check_groups_above(self, blocks: Iterable[Block]) -> None:
        for name in ("", *sorted({f"{block.band}/" for block in blocks})):
            path = f"{ARCHIVE}/{name}zarr.json"
            if what := Checksum.of(GROUP).differs((self._output / path).read_bytes()):
                self._note(path, what)

    def _note_manifest(self, block: Block, *, expected: bool) -> None:
        try:
            held = read_manifest(self._output, block)
        except DamagedError as error:
            self._note(str(block), str(error))
            return
        group = self._output / ARCHIVE / block.key
        if not (group / "zarr.json").exists():
            if expected:
                self._missing.append(f"detection of {block}")
            return
        if held is None:
            self._note(str(block), "has no checksums; `couloir detect --redo` makes it again")
            return
        self._checksums |= held
        there = {f"{ARCHIVE}/{block.key}/{name}" for name in group.walk()}
        for path in sorted(there - held.keys()):
            self._note(path, "was not written by a run")

    def _note_completion(self, stage: str) -> dict[str, Any] | None:
        place = self._output / stage
        try:
            held = read_completion(place)
        except DamagedError as error:
            self._note(f"{stage}/{COMPLETION}", str(error))
            return None
        if held is None:
            self._missing.append(stage)
            return None
        if is_announced(held[1]):
            self._note(stage, "is that of an import that was cut short; `couloir model import` brings it again")
            return None
        self._checksums |= {f"{stage}/{name}": checksum for name, checksum in held[1].items()}
        return held[0]

    def _compare(self) -> None:
        """Read every object that has a checksum, several at once."""
        with ThreadPoolExecutor(READERS // 2) as readers:
            found = readers.map(self._differs, self._checksums.items())
            for done, (path, what) in enumerate(found, 1):
                if what:
                    self._note(path, what)
                self._progress(done, len(self._checksums))

    def _differs(self, item: tuple[str, Checksum]) -> tuple[str, str]:
        path, checksum = item
        try:
            return path, checksum.differs((self._output / path).read_bytes())
        except CouloirError as error:
            return path, str(error)

    def _fit(self, blocks: list[Block], completions: dict[str, dict[str, Any] | None]) -> Iterator[str]:
        """Tell what does not fit together of model, catalog and report."""
        if any(text.startswith("detection") for text in self._missing):
            return
        config, archive = self._config, SpectrogramArchive(self._output, blocks)
        expected = {
            "model": mark_in_use(config, model_mark(config, archive)),
            "catalog": catalog_mark(config, archive),
            "report": report_mark(config, archive),
        }
        for stage, mark in expected.items():
            held = completions[stage]
            if held is not None and held != mark:
                unequal = ", ".join(sorted(name for name in mark if held.get(name) != mark[name]))
                yield f"{stage} was made from other things than those that are here ({unequal})"
        if completions["model"] is not None:
            yield from _model_problems(config, completions["model"])
        if completions["catalog"] is not None:
            yield from _catalog_problems(self._output, archive)


def _block_problems(config: RunConfig, block: Block) -> Iterator[str]:
    """Tell what is wrong in a block whose bytes are as they were written."""
    output = output_of(config)
    mark = read_mark(output, block)
    if mark is None:
        return
    if mark.get("settings") != detection_hash(config):
        yield f"was made with other settings ({mark.get('settings')}, now {detection_hash(config)})"
        return
    archive = SpectrogramArchive(output, [block])
    axes = Picturing(config.detect, config.spectrogram).axes
    if archive.shape[1:] != (len(axes.frequency), len(axes.time), 3):
        yield f"holds spectrograms of shape {archive.shape[1:]}"
    if archive.shape[0] != mark.get("events"):
        yield f"holds {archive.shape[0]} events, its mark says {mark.get('events')}"
    told = sum(outcome.events for outcome in read_outcomes(output, [block]))
    if archive.shape[0] != told:
        yield f"holds {archive.shape[0]} events, its outcomes say {told}"
    onsets, ends = archive.column("onset_time"), archive.column("end_time")
    outside = (onsets < block.start_ns) | (onsets >= block.end_ns)
    if outside.any():
        yield f"holds {outside.sum()} events whose onset lies outside of its month"
    if (ends < onsets).any():
        yield f"holds {(ends < onsets).sum()} events that end before they begin"


def _model_problems(config: RunConfig, mark: dict[str, Any]) -> Iterator[str]:
    """Tell how a model is not what its mark says, or not for these spectrograms."""
    card = read_card(config)
    told = card.model_id if card.imported else card.provenance.get("model_id")
    if told != mark.get("model_id") or card.imported != is_imported(mark):
        yield f"model says that it is another one than its mark ({told}, {mark.get('model_id')})"
    try:
        card.refuse_unlike(config)
    except ModelFileError as error:
        yield str(error)


def _catalog_problems(output: Location, archive: SpectrogramArchive) -> Iterator[str]:
    """Tell how the catalog's events are not those of the archive."""
    rows = sorted(read_events(output / "catalog").column("event_id").to_pylist())
    bands = [archive.blocks[number].band for number in archive.block_numbers()]
    events = [event_id(band, start) for band, start in zip(bands, archive.column("start_time"), strict=True)]
    if len(rows) != len(events):
        yield f"catalog has {len(rows):,} rows, the archive {len(events):,} events"
    elif rows != sorted(events):
        yield "catalog holds other events than the archive"
