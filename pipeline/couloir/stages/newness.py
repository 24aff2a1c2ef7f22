"""Judge which events are new, and keep beside the catalog what that judgement rests on."""

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from couloir.config import RunConfig, content_hash
from couloir.identifiers import HOUR_NS
from couloir.stages.background import make_background
from couloir.stages.card import Card
from couloir.stages.held import Mark, is_imported
from couloir.stages.train import BACKGROUND
from couloir.store.documents import CATALOG_AGAIN, read_document
from couloir.store.location import Location
from couloir.store.spectrograms import SpectrogramArchive

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment
    from couloir.dec.novelty import Novelty, Verdict

NAME = "novelty.json"
FEWEST = 45
"""Held-out events, at least, for an imported model to be calibrated: with fewer none could be rejected at 5 %."""


@dataclass(frozen=True)
class Basis:
    """Hold what novelty was measured against.

    Attributes
    ----------
    against
        ``training``: the events of the model's training, here or in another output; ``archive``: those of this
        archive, for a model without a calibration, as imported weights are; ``medians``: the medians of each
        cluster's members here, of which nothing follows.
    held_out
        Events kept apart, on which the score was calibrated.
    false_reject_rate
        Share of known events that may be rejected by mistake.
    """

    against: Literal["training", "archive", "medians"]
    held_out: int
    false_reject_rate: float


def judge_newness(
    config: RunConfig,
    archive: SpectrogramArchive,
    card: Card,
    network: Any,
    assignment: "Assignment",
    novelty: "Novelty | None",
) -> tuple["Verdict", Basis]:
    """Score how new every event is, and reject the newest where the score is calibrated.

    A model that Couloir trained brings its calibration. Imported weights are calibrated on the archive: whole
    hours are held out as in training (`train.holdout`), the score is fitted to the other events and to noise
    before onsets. Known is then what this archive has many of, not what the model was trained on.

    Parameters
    ----------
    config : RunConfig
    archive : SpectrogramArchive
    card : Card
    network : keras.Model
    assignment : Assignment
        What the model says of all events.
    novelty : Novelty or None
        That of a model that Couloir trained, here or elsewhere.

    Returns
    -------
    verdict, basis
    """
    from couloir.dec.itself import measure_against_itself
    from couloir.dec.novelty import without_calibration

    rate = config.catalog.false_reject_rate
    against: Literal["training", "archive"] = "training"
    if novelty is None:
        against, novelty = "archive", _calibrate_here(config, archive, card, network, assignment)
    if novelty is None:
        ratios = measure_against_itself(network, assignment)
        return without_calibration(ratios.larger), Basis("medians", 0, rate)
    verdict = novelty.judge(*assignment.place, rate=rate)
    return verdict, Basis(against, len(novelty.calibration), rate)


def _calibrate_here(
    config: RunConfig, archive: SpectrogramArchive, card: Card, network: Any, assignment: "Assignment"
) -> "Novelty | None":
    """Fit novelty to the archive's events and calibrate it on the hours held out; None where they are too few."""
    from couloir.dec.assign import assign
    from couloir.dec.holdout import hold_out
    from couloir.dec.novelty import fit_novelty

    fit, held = hold_out(len(assignment), config.train, archive.column("onset_time") // HOUR_NS)
    if len(held) < FEWEST:
        return None
    background = make_background(archive, config, count=BACKGROUND, among=fit)
    novelty = fit_novelty(
        *assignment.at(fit).place,
        clusters=card.clusters,
        seed=config.train.seed,
        background=None if background is None else assign(network, background).place,
    )
    return novelty.calibrated(*assignment.at(held).place)


def calibration_of(config: RunConfig, model: Mark) -> tuple[str, ...]:
    """Hash the settings of the training that decide a catalog of an imported model; nothing for another one.

    The calibration that a model brings is part of its `model_id`.
    """
    return (content_hash(config.train.holdout, config.train.seed),) if is_imported(model) else ()


def write_basis(place: Location, basis: Basis) -> None:
    """Write ``novelty.json``."""
    (place / NAME).write_text(json.dumps(asdict(basis), indent=1) + "\n")


def read_basis(place: Location) -> Basis | None:
    """Read ``novelty.json``; None where there is none."""
    return read_document(place / NAME, lambda held: Basis(**held), remedy=CATALOG_AGAIN)


def newness_in_words(basis: Basis, rejected: int, events: int) -> str:
    """Say how many events were rejected, and what that is worth."""
    rate = basis.false_reject_rate
    if rate == 0:
        return "none: catalog.false_reject_rate is 0"
    needed = math.ceil(math.log(0.1) / math.log1p(-rate))
    if basis.against == "medians" or basis.held_out < needed:
        least = max(needed, FEWEST) if basis.against == "medians" else needed
        return (
            f"none can be: {basis.held_out or 'no'} windows are held out to tell how unlike the known ones a new "
            f"one is, and {least} are needed for {rate:.1%} (train.holdout)"
        )
    known = {
        "training": "events like those of the training",
        "archive": "events like the others of this archive, which are all that an imported model's novelty knows,",
    }[basis.against]
    return (
        f"{rejected:,} of {events:,} events are of class unknown; of {known} about {rate:.1%} or fewer are by "
        f"mistake, as far as {basis.held_out:,} windows held out can tell"
    )
