"""Say what an output holds of each stage, by the marks of what is complete: no archive and no event is read.

What this costs grows with the number of blocks and not with that of events. Whether model, catalog and report are
of the events that are there is told by their number; `couloir verify` reads the events themselves.
"""

from dataclasses import dataclass
from typing import Any

from couloir import __version__
from couloir.catalog.clusters import read_clusters
from couloir.config import RunConfig
from couloir.errors import CouloirError, DamagedError
from couloir.identifiers import Block, StationDay
from couloir.stages.catalog import CATALOG_VERSION, catalog_hash
from couloir.stages.changes import other_period
from couloir.stages.held import is_imported, read_card
from couloir.stages.marks import is_announced, read_completion
from couloir.stages.settings import detection_hash, output_of, training_hash
from couloir.store.blocks import read_marks

STAGES = ("detect", "train", "catalog", "report")
Index = dict[Block, list[StationDay]]
Mark = dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """Hold what there is of one stage.

    Attributes
    ----------
    complete : bool
        Whether all of it is there, as the run file's settings make it.
    done, total : int
        Station-days in complete months, and in all; of detection only.
    events : int
    remark : str
        What there is that does not count, or why it does.
    """

    complete: bool
    done: int = 0
    total: int = 0
    events: int = 0
    remark: str = ""


def read_standings(config: RunConfig, index: Index | None) -> dict[str, Standing]:
    """Say what there is of each stage, in the order of the work.

    Parameters
    ----------
    config : RunConfig
    index : dict of Block to list of StationDay, or None
        What the latest run was to make.
    """
    detection = _detection(config, index or {})
    marks = {stage: _Held.read(config, stage) for stage in ("model", "catalog", "report")}
    model = _model(config, detection, marks["model"], marks["catalog"])
    catalog = _catalog(config, detection, model, marks)
    report = _report(catalog, marks)
    return dict(zip(STAGES, (detection, model, catalog, report), strict=True))


@dataclass(frozen=True)
class _Held:
    """Hold the mark of a stage's folder, or what is wrong with it."""

    mark: Mark | None = None
    wrong: str = ""

    @classmethod
    def read(cls, config: RunConfig, stage: str) -> "_Held":
        place = output_of(config) / stage
        try:
            held = read_completion(place)
        except DamagedError:
            return cls(wrong="what is there is damaged")
        if held is None:
            return cls()
        if is_announced(held[1]):
            return cls(wrong="an import was cut short; import the model again: couloir model import")
        there = place.walk()
        if any(there.get(name) != checksum.size for name, checksum in held[1].items()):
            return cls(wrong="what is there lacks files")
        return cls(held[0])


def _detection(config: RunConfig, index: Index) -> Standing:
    expected = detection_hash(config)
    marks = {block: mark for block, mark in read_marks(output_of(config), index).items() if mark}
    mine = {block: mark for block, mark in marks.items() if mark.get("settings") == expected}
    others = len(marks) - len(mine)
    remark = (
        f"{others:,} of {len(index):,} months there are of other settings; --redo makes them again"
        if others
        else ""
    )
    remark = remark or other_period(config)
    return Standing(
        complete=bool(index) and len(mine) == len(index) and not remark,
        done=sum(len(index[block]) for block in mine),
        total=sum(map(len, index.values())),
        events=sum(int(mark.get("events", 0)) for mark in mine.values()),
        remark=remark,
    )


def _model(config: RunConfig, detection: Standing, held: _Held, catalog: _Held) -> Standing:
    if held.mark is None:
        return Standing(complete=False, remark=held.wrong)
    if is_imported(held.mark):
        return Standing(complete=True, remark="the model is imported")
    if held.mark.get("training") != training_hash(config):
        return Standing(complete=False, remark="the model there is of other settings; --redo makes it again")
    if (catalog.mark or {}).get("assigned") == held.mark.get("model_id"):
        return Standing(
            complete=True, remark="the model was trained on earlier events, and applied to those there"
        )
    try:
        events = int(read_card(config).provenance.get("events", 0))
    except CouloirError as error:
        return Standing(complete=False, remark=str(error))
    if detection.complete and events == detection.events:
        return Standing(complete=True)
    return Standing(complete=False, remark=f"the model there was trained on other events ({events:,})")


def _catalog(config: RunConfig, detection: Standing, model: Standing, marks: dict[str, _Held]) -> Standing:
    held, of = marks["catalog"], marks["model"].mark
    if held.mark is None or of is None:
        return Standing(complete=False, remark=held.wrong)
    if not model.complete or held.mark.get("model_id") != of.get("model_id"):
        return Standing(complete=False, remark="the catalog there is of another model")
    # What a user's own labels say is not in the output, so that it cannot be told whether they have changed.
    open_to_all = not (config.catalog.truth or config.catalog.labels)
    if held.mark.get("version") != CATALOG_VERSION or (
        open_to_all and held.mark.get("catalog") != catalog_hash(config)
    ):
        return Standing(complete=False, remark="the catalog there is of other settings")
    events = sum(row.events for row in read_clusters(output_of(config) / "catalog"))
    if not detection.complete or events != detection.events:
        return Standing(complete=False, remark=f"the catalog there is of other events ({events:,})")
    return Standing(complete=True)


def _report(catalog: Standing, marks: dict[str, _Held]) -> Standing:
    held, of = marks["report"], marks["catalog"].mark
    if held.mark is None or of is None:
        return Standing(complete=False, remark=held.wrong)
    if not catalog.complete or held.mark != of | {"report": __version__}:
        return Standing(complete=False, remark="the report there is of another catalog")
    return Standing(complete=True)
