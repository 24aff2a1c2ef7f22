"""Say which model an output holds, and which one its catalog goes with.

A model's mark says what it was made from. Three kinds of model can lie in an output:

- trained on the very events that are there: ``{"model_id", "training"}``, as `couloir.stages.train` makes it;
- trained on other events, of earlier months: the same, with the model id of those;
- imported: ``{"model_id", "imported"}``, the SHA-256 of the file it came from, weights or another output's model.
  It is the run's model until another one is asked for, whatever the train section says. Its mark is set before its
  files: where an import was killed, nothing is trained in its place, and it has to be imported again.
"""

from collections.abc import Mapping
from typing import Any

from couloir.config import RunConfig
from couloir.errors import DamagedError, MissingStageError
from couloir.stages.card import CARD, Card
from couloir.stages.marks import is_announced, read_completion
from couloir.stages.settings import output_of, training_hash
from couloir.store.sealed import Checksum

Mark = dict[str, Any]


def held_mark(config: RunConfig) -> Mark | None:
    """Give the mark of the model in the output; None where there is none that was completed."""
    return _mark_of(config, "model")


def held_files(config: RunConfig) -> frozenset[str]:
    """Name the files of the model in the output, as its mark does."""
    return frozenset(_held_checksums(config))


def is_imported(mark: Mark | None) -> bool:
    """Say whether a mark is that of an imported model."""
    return mark is not None and "imported" in mark


def mark_in_use(config: RunConfig, own: Mark) -> Mark:
    """Give the mark of the model that the catalog and the report go with.

    It is the imported model where there is one; else the model trained on earlier months where `couloir assign`
    has made the catalog with it; else the one trained on these events.

    Parameters
    ----------
    config : RunConfig
    own : dict
        The mark of the model that training on these events makes.
    """
    held = held_mark(config)
    if held is None or held == own:
        return own
    if is_imported(held):
        return held
    catalog = _mark_of(config, "catalog")
    assigned = catalog is not None and catalog.get("assigned") == held.get("model_id")
    return held if assigned and held.get("training") == training_hash(config) else own


def expect_held(config: RunConfig) -> Mark:
    """Give the mark of the model in the output.

    Raises
    ------
    MissingStageError
        When there is none.
    """
    held = held_mark(config)
    if held is None:
        raise MissingStageError(
            f"{output_of(config) / 'model'} holds no model. Run `couloir train`, or `couloir model import`."
        )
    return held


def read_card(config: RunConfig) -> Card:
    """Read what the model in the output is.

    Raises
    ------
    MissingStageError
        When there is no model, one of a version that did not say what it is, or one whose import was cut short.
    DamagedError
        When what it says is not as it was written.
    """
    expect_held(config)
    place = output_of(config) / "model"
    if is_announced(_held_checksums(config)):
        raise MissingStageError(
            f"An import into {place} was cut short. Import the model again: couloir model import."
        )
    data = (place / CARD).read_bytes()
    if data is None:
        raise MissingStageError(f"{place / CARD} is gone. Remove {place} and run `couloir train` again.")
    return Card.load(data, place=str(place / CARD))


def _held_checksums(config: RunConfig) -> Mapping[str, Checksum]:
    try:
        held = read_completion(output_of(config) / "model")
    except DamagedError:
        return {}
    return {} if held is None else held[1]


def _mark_of(config: RunConfig, stage: str) -> Mark | None:
    try:
        held = read_completion(output_of(config) / stage)
    except DamagedError:  # it is made again
        return None
    return None if held is None else held[0]
