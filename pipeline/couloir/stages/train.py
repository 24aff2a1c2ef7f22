"""Train: spectrogram archive in, model out."""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from couloir.config import RunConfig, content_hash
from couloir.dec.keeper import EVERY_S, Keeper, never_stop
from couloir.errors import MissingStageError
from couloir.identifiers import HOUR_NS
from couloir.stages.background import make_background
from couloir.stages.card import CARD, card_of_training
from couloir.stages.held import held_mark, is_imported, mark_in_use
from couloir.stages.marks import StagePlace, begin, complete, is_current
from couloir.stages.memory import free_memory
from couloir.stages.seeds import SEED_FILES, is_alone, train_seeds
from couloir.stages.settings import detection_hash, model_id_of, output_of, training_hash
from couloir.store.location import Location
from couloir.store.spectrograms import SpectrogramArchive

if TYPE_CHECKING:
    from couloir.dec.samples import Samples

MODEL_FILES = ("dec.keras", "log.csv", "metrics.json", "initial_labels.npy", CARD)
TRAINED_FILES = (*MODEL_FILES, "novelty.npz")
"""Of a model that was trained here; imported weights bring no calibration, another output's model does."""
BACKGROUND = 400
"""Spectrograms of noise by which novelty knows noise."""
_CHECKPOINT = "checkpoint"
_MEMORY_SHARE = 0.6

Progress = Callable[[str, int, int, str], None]


def model_mark(config: RunConfig, archive: SpectrogramArchive) -> dict[str, str]:
    """Say what a model is made from."""
    return {"model_id": model_id_of(config, archive.digest), "training": training_hash(config)}


def train(
    config: RunConfig,
    archive: SpectrogramArchive,
    *,
    progress: Progress,
    check_stop: Callable[[], None] = never_stop,
    checkpoint_s: float = EVERY_S,
    replace_imported: bool = False,
) -> bool:
    """Train the model, unless the output holds the one that would come out, or an imported one.

    A training that was killed goes on from its last checkpoint, under ``model/checkpoint``; of several seeds
    (``train.seeds``) those that are done stay done, see `couloir.stages.seeds`.

    Parameters
    ----------
    config : RunConfig
    archive : SpectrogramArchive
        What to train on.
    progress : callable
        Told phase, steps done, steps in all, and a remark.
    check_stop : callable, optional
        Called between steps, in this thread; what it raises ends the training, after a checkpoint.
    checkpoint_s : float, optional
        Between two checkpoints, s; 0: one at every step.
    replace_imported : bool, optional
        Whether to train in the place of an imported model.

    Returns
    -------
    bool
        Whether it was trained now.

    Raises
    ------
    TrainingError
        When there is too little to train on, or training diverges.
    StoreError
        When the model cannot be written. A checkpoint that cannot be is only warned of.
    """
    place = output_of(config) / "model"
    mark = model_mark(config, archive)
    if is_current(place, mark):
        (place / _CHECKPOINT).remove()
        return False
    if is_imported(held_mark(config)) and not replace_imported:
        return False
    quieten_tensorflow()
    from couloir.dec.backend import describe_backend
    from couloir.dec.holdout import hold_out
    from couloir.dec.training import train as train_dec

    with _working_folder() as folder:
        samples = in_memory(archive, check_stop)
        groups = archive.column("onset_time") // HOUR_NS

        def train_one(one: RunConfig, checkpoint: Location, here: Path) -> NDArray[np.int32]:
            keeper = Keeper(
                [checkpoint / f"{number}.npz" for number in range(2)],
                made_from=model_id_of(one, archive.digest),
                every_s=checkpoint_s,
                check_stop=check_stop,
            )
            told = progress if one is config else _of_seed(one, config, progress)
            parts = hold_out(len(archive), one.train, groups)
            noise = make_background(archive, one, count=BACKGROUND, among=parts.fit) if one.train.holdout else None
            trained = train_dec(
                samples,
                one.train,
                folder=here,
                progress=told,
                keeper=keeper,
                parts=parts,
                background=noise,
            )
            np.save(here / "initial_labels.npy", trained.initial_labels, allow_pickle=False)
            card = card_of_training(
                one,
                model_id=model_id_of(one, archive.digest),
                digest=archive.digest,
                events=archive.shape[0],
                backend=describe_backend(),
            )
            (here / CARD).write_bytes(card.dump())
            return trained.labels

        if is_alone(config):
            train_one(config, place / _CHECKPOINT, folder)
        else:
            train_seeds(
                config,
                place=place,
                trained_on=content_hash(detection_hash(config), archive.digest),
                files=TRAINED_FILES,
                folder=folder,
                train_one=train_one,
                check=check_stop,
            )
        finished = begin(place, check_stop)
        _bring_home(folder, finished, TRAINED_FILES if is_alone(config) else (*TRAINED_FILES, *SEED_FILES))
    for name in SEED_FILES if is_alone(config) else ():
        (place / name).remove()
    complete(finished, mark)
    (place / _CHECKPOINT).remove()
    return True


def has_model(config: RunConfig, archive: SpectrogramArchive) -> bool:
    """Say whether the output holds the model that these spectrograms and settings go with."""
    return is_current(output_of(config) / "model", mark_in_use(config, model_mark(config, archive)))


def fetch_model(
    config: RunConfig, archive: SpectrogramArchive, folder: Path, *, mark: dict[str, str] | None = None
) -> dict[str, Path]:
    """Fetch the files of the run's model to a folder of this machine.

    Parameters
    ----------
    config : RunConfig
    archive : SpectrogramArchive
    folder : path
    mark : dict, optional
        Which model it shall be; by default the one that these spectrograms and settings go with.

    Raises
    ------
    MissingStageError
        When there is no model, or when it was trained on something else or otherwise.
    """
    place = output_of(config) / "model"
    mark = mark or mark_in_use(config, model_mark(config, archive))
    if not is_current(place, mark):
        held = held_mark(config)
        remedy = (
            "Run `couloir train` first."
            if held is None
            else (
                "Import it again: couloir model import."
                if is_imported(held)
                else "Run `couloir train`, or `couloir assign` to apply the model that is there."
            )
        )
        raise MissingStageError(f"{place} holds no model for these spectrograms and settings. {remedy}")
    files = {}
    for name in MODEL_FILES if is_imported(mark) else TRAINED_FILES:
        data = (place / name).read_bytes()
        if data is None:
            raise MissingStageError(f"{place / name} is gone. Remove {place} and run `couloir train` again.")
        files[name] = folder / name
        files[name].write_bytes(data)
    return files


def in_memory(archive: SpectrogramArchive, check_stop: Callable[[], None] = never_stop) -> "Samples":
    """Load the spectrograms into memory where they fit; else they are read as they are needed."""
    size = int(np.prod(archive.shape, dtype=np.int64)) * np.dtype(np.float16).itemsize
    return archive.load(check_stop) if size < _MEMORY_SHARE * free_memory() else archive


def quieten_tensorflow() -> None:
    """Load Keras with its backend, and keep TensorFlow's start-up notes off the terminal; errors still show."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _native_stderr_held():
        import couloir.dec.backend  # noqa: F401 - TensorFlow writes some notes before it looks at its log level


@contextmanager
def _native_stderr_held() -> Iterator[None]:
    """Drop what libraries write to the process's standard error, unless something goes wrong."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _working_folder() -> Iterator[Path]:
    """Give a folder of this machine to train in."""
    folder = Path(tempfile.mkdtemp(prefix="couloir-train-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _of_seed(one: RunConfig, config: RunConfig, progress: Progress) -> Progress:
    """Tell which of several trainings it is."""
    seed, seeds = one.train.seed, config.train.all_seeds
    which = f"seed {seed} ({seeds.index(seed) + 1} of {len(seeds)})"
    return lambda phase, done, total, message: progress(phase, done, total, f"{which} {message}".rstrip())


def _bring_home(folder: Path, place: StagePlace, names: tuple[str, ...]) -> None:
    for name in names:
        (place / name).write_bytes((folder / name).read_bytes())
