"""Take the model of another run's output, with its card, its calibration and where it comes from."""

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from couloir.config import RunConfig
from couloir.errors import CouloirError, ModelFileError
from couloir.kernels.spectrogram import COMPONENTS
from couloir.stages.card import CARD, Card
from couloir.stages.incoming import Incoming
from couloir.stages.marks import COMPLETION, read_completion
from couloir.stages.train import MODEL_FILES
from couloir.storage_errors import without_secrets
from couloir.store.location import Location
from couloir.store.sealed import Checksum

MODEL, NOVELTY = "dec.keras", "novelty.npz"


def take_model(
    config: RunConfig, folder: Location, *, names: Mapping[int, str] | None, check: Callable[[], None]
) -> Incoming:
    """Take the model of a folder ``model`` that a training or an import has completed.

    Parameters
    ----------
    config : RunConfig
        Whose spectrograms the model must take.
    folder : Location
    names : mapping of int to str, optional
        What clusters are called here; what they were called there when not given.
    check : callable
        Called between files; what it raises ends the work.

    Raises
    ------
    ModelFileError
        When files of it are missing, it is no model of Couloir's, or it takes other spectrograms.
    DamagedError
        When a file is not as it was written.
    """
    files, checksums = _read(folder, check)
    card = Card.load(files.pop(CARD), place=str(folder / CARD))
    card.refuse_unlike(config)
    _refuse_unusable(files, card, place=str(folder))
    made = {
        "kind": "imported",
        "file": without_secrets(str(folder / MODEL)),
        "sha256": checksums[MODEL].sha256,
        **({"novelty_sha256": checksums[NOVELTY].sha256} if NOVELTY in checksums else {}),
        "model_id": card.model_id if card.imported else card.provenance.get("model_id"),
        "came_from": card.provenance,
        "versions": card.provenance.get("versions", {}),
    }
    return Incoming(
        Card(card.preprocessing, card.clusters, dict(card.names if names is None else names), made), files
    )


def _read(folder: Location, check: Callable[[], None]) -> tuple[dict[str, bytes], dict[str, Checksum]]:
    """Read the files of a model, each as its mark says that it was written."""
    completion = read_completion(folder)
    checksums = {} if completion is None else completion[1]
    wanted = [*MODEL_FILES, *([NOVELTY] if NOVELTY in checksums else [])]
    found: dict[str, bytes] = {}
    for name in wanted:
        check()
        data = (folder / name).read_bytes()
        if data is not None:
            found[name] = data
    missing = [name for name in wanted if name not in found] + ([] if completion else [COMPLETION])
    missing += [f"{name} in {COMPLETION}" for name in found if completion and name not in checksums]
    if missing:
        raise ModelFileError(
            f"{without_secrets(str(folder))} lacks {', '.join(missing)}. Give the whole folder `model` of an "
            "output whose training has ended: model.json says which spectrograms the model takes, complete.json "
            "that nothing has changed. A model of an earlier version has to be trained again."
        )
    for name, data in found.items():
        if differs := checksums[name].differs(data):
            place = without_secrets(str(folder / name))
            raise ModelFileError(f"{place} {differs}. Copy or fetch the folder again.")
    return found, checksums


def _refuse_unusable(files: Mapping[str, bytes], card: Card, *, place: str) -> None:
    """Load the model, which runs no code of its own, and compare it with its card."""
    from couloir.dec.assign import load_model
    from couloir.dec.clustering import CLUSTERING
    from couloir.dec.novelty import load_novelty
    from couloir.dec.wholeness import refuse_other_calibration

    with tempfile.TemporaryDirectory(prefix="couloir-import-") as here:
        for name, data in files.items():
            (Path(here) / name).write_bytes(data)
        try:
            network = load_model(Path(here) / MODEL)
            if NOVELTY in files:
                refuse_other_calibration(network, load_novelty(Path(here) / NOVELTY))
        except (CouloirError, BadZipFile, MemoryError) as error:
            raise ModelFileError(
                f"{without_secrets(place)} holds no model of Couloir's that can be used: "
                f"{str(error).replace(f'{here}/', '')}"
            ) from error
    pictures = card.preprocessing
    shape = (pictures["spectrogram.frequencies"], pictures["spectrogram.times"], len(COMPONENTS))
    clusters = network.get_layer(CLUSTERING).centroids.shape[0]
    if (tuple(network.inputs[0].shape[1:]), clusters) != (shape, card.clusters):
        raise ModelFileError(f"{without_secrets(place)}: {CARD} and {MODEL} are of different models.")
    _refuse_other_training(files, clusters, place=place)


def _refuse_other_training(files: Mapping[str, bytes], clusters: int, *, place: str) -> None:
    """Refuse what is left of a training of another number of clusters, or does not read."""
    try:
        sizes = json.loads(files["metrics.json"]).get("cluster_sizes")
        labels = np.load(io.BytesIO(files["initial_labels.npy"]), allow_pickle=False)
        fits = sizes is None or (len(sizes) == clusters and all(isinstance(size, int) for size in sizes))
        fits &= labels.ndim == 1 and labels.dtype.kind == "i"
    except (ValueError, TypeError, AttributeError, EOFError, MemoryError):
        fits = False
    if not fits:
        raise ModelFileError(
            f"{without_secrets(place)}: metrics.json or initial_labels.npy is damaged, or not of this model. Copy "
            "or fetch the folder again."
        )
