"""Ask the model that the output holds what it says of every event."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from couloir.config import RunConfig
from couloir.errors import DamagedError
from couloir.stages.card import Card
from couloir.stages.drift import training_sizes
from couloir.stages.elsewhere import NOVELTY
from couloir.stages.held import Mark, held_files, read_card
from couloir.stages.newness import Basis, judge_newness
from couloir.stages.settings import output_of
from couloir.stages.train import fetch_model, model_mark, quieten_tensorflow
from couloir.store.spectrograms import SpectrogramArchive

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment
    from couloir.dec.novelty import Novelty, Verdict
    from couloir.dec.samples import Samples
    from couloir.dec.typical import Ratios

T = TypeVar("T")


@dataclass(frozen=True)
class Answers:
    """Hold what a model says of the events; ``ratios`` is None where it does not know its training's."""

    assignment: "Assignment"
    verdict: "Verdict"
    basis: Basis
    ratios: "Ratios | None"


@dataclass(frozen=True)
class HeldModel:
    """Hold a model as it lies in the output.

    Attributes
    ----------
    model_id : str
    trained_here : bool
        Whether it was trained on the very events that are there.
    card : Card
    network : keras.Model
    novelty : Novelty or None
        None for a model that brings no calibration.
    training_sizes : list of int or None
        Events of each cluster at training; None where it is not known.
    initial : ndarray of int32
        Labels of k-means before clustering, of the events trained on; empty for an imported model.
    """

    model_id: str
    trained_here: bool
    card: Card
    network: Any
    novelty: "Novelty | None"
    training_sizes: list[int] | None
    initial: NDArray[np.int32]

    def ask(self, config: RunConfig, archive: SpectrogramArchive, samples: "Samples") -> Answers:
        """Assign all events, and reject the newest; ``samples`` are the archive's spectrograms."""
        from couloir.dec.assign import assign
        from couloir.dec.drift import ratios_to_training

        assignment = assign(self.network, samples)
        ratios = ratios_to_training(self.network, assignment) if self.card.knows_training else None
        verdict, basis = judge_newness(config, archive, self.card, self.network, assignment, self.novelty)
        return Answers(assignment, verdict, basis, ratios)


def load_held(config: RunConfig, archive: SpectrogramArchive, mark: Mark) -> HeldModel:
    """Load the output's model, if it is the one of this mark and takes these spectrograms.

    Raises
    ------
    MissingStageError
        When the output holds another model, or none.
    ModelFileError
        When it takes spectrograms that are made otherwise.
    DamagedError
        When what its training left does not read.
    """
    quieten_tensorflow()
    from couloir.dec.assign import load_model

    with tempfile.TemporaryDirectory(prefix="couloir-model-") as here:
        files = fetch_model(config, archive, Path(here), mark=mark)
        card = read_card(config)
        card.refuse_unlike(config)
        return HeldModel(
            model_id=mark["model_id"],
            trained_here=mark == model_mark(config, archive),
            card=card,
            network=load_model(files["dec.keras"]),
            novelty=_load_novelty(config, files, Path(here)),
            training_sizes=_read(config, files["metrics.json"], lambda path: training_sizes(path.read_text())),
            initial=_read(config, files["initial_labels.npy"], lambda path: np.load(path, allow_pickle=False)),
        )


def _read(config: RunConfig, path: Path, read: Callable[[Path], T]) -> T:
    """Read a file of the output's model, and say which one is damaged."""
    try:
        return read(path)
    except (ValueError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        place = output_of(config) / "model"
        raise DamagedError(
            f"{place / path.name} is damaged ({error}). Remove it and run `couloir train` again, or "
            "`couloir model import` where the model is imported."
        ) from error


def _load_novelty(config: RunConfig, files: Mapping[str, Path], here: Path) -> "Novelty | None":
    """Load the calibration that a training left; an imported model has one only if it was trained by Couloir."""
    from couloir.dec.novelty import load_novelty

    path = files.get(NOVELTY, here / NOVELTY)
    if NOVELTY not in files:
        if NOVELTY not in held_files(config):
            return None
        path.write_bytes((output_of(config) / "model" / NOVELTY).read_bytes() or b"")
    return _read(config, path, load_novelty)
