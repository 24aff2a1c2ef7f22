"""Seeds: train several times, keep the model that agrees best with the others, and say how far they agree."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from couloir.config import RunConfig, TrainConfig, content_hash
from couloir.errors import MissingStageError
from couloir.stages.card import CARD, Card
from couloir.stages.held import held_mark, is_imported
from couloir.stages.marks import all_is_well, begin, complete, is_current
from couloir.stages.settings import TRAINING_VERSION, model_id_of, output_of
from couloir.store.documents import read_document
from couloir.store.location import Location

if TYPE_CHECKING:
    from couloir.dec.consensus import Consensus

FOLDER, STABILITY, VOTES = "seeds", "stability.json", "consensus.npz"
SEED_FILES = (STABILITY, VOTES)
"""What a model of several seeds has beside the files of every model."""
_LABELS = "labels.npy"
_NEEDED = {"seeds", "asked_for", "model_seed", "mean_ari", "mean_matched_accuracy", "unanimous"}
_NEEDED |= {"ari", "matched_accuracy", "agreement_by_cluster"}
_REMEDY = (
    "Remove it and run `couloir train --seeds N` with as many seeds as before: what each of them came to is kept."
)


@dataclass(frozen=True)
class Votes:
    """Hold the consensus (N,) of several seeds, in the model's cluster ids, and the share that agree (N,)."""

    consensus: NDArray[np.int32]
    agreement: NDArray[np.float32]


TrainOne = Callable[[RunConfig, Location, Path], NDArray[np.int32]]
"""Train with one seed's settings, checkpoints and all; leave the model's files in a folder, give its labels."""


def is_alone(config: RunConfig) -> bool:
    """Say whether there is one training only, with the run's own seed."""
    return config.train.all_seeds == (config.train.seed,)


def with_held_seeds(config: RunConfig) -> RunConfig:
    """Take the number of seeds from the output's model where the settings name none.

    An output that was trained from several seeds by `--seeds` goes on being that, whatever command comes next,
    until another number is asked for.
    """
    mark = held_mark(config)
    if "seeds" in config.train.model_fields_set or mark is None or is_imported(mark):
        return config
    held = read_stability(output_of(config) / "model")
    if held is None:
        return config
    given = held["asked_for"]
    seeds = tuple(given) if isinstance(given, list) else given
    return config.model_copy(update={"train": config.train.model_copy(update={"seeds": seeds})})


def train_seeds(
    config: RunConfig,
    *,
    place: Location,
    trained_on: str,
    files: tuple[str, ...],
    folder: Path,
    train_one: TrainOne,
    check: Callable[[], None] = all_is_well,
) -> None:
    """Train with each seed, and leave the chosen model's files, the agreement and the votes in a folder.

    What each seed came to is kept under ``model/seeds/SEED``, each with its own mark, and never trained again
    for these spectrograms and settings, also when other seeds are added.

    Parameters
    ----------
    config : RunConfig
    place : Location
        The model's place in the output.
    trained_on : str
        What decides a training beside its settings, in short.
    files : tuple of str
        The files of a model.
    folder : Path
        Where to leave what the run's model is made of.
    train_one : callable
    check : callable, optional
        Called before anything is written.
    """
    from couloir.dec.consensus import find_consensus

    runs = []
    for seed in config.train.all_seeds:
        one = config.model_copy(update={"train": config.train.of_seed(seed)})
        kept = place / FOLDER / str(seed)
        mark = {"training": content_hash(TRAINING_VERSION, one.train), "trained_on": trained_on}
        if not is_current(kept, mark):
            mine = folder / str(seed)
            mine.mkdir()
            labels = train_one(one, kept / "checkpoint", mine)
            np.save(mine / _LABELS, labels, allow_pickle=False)
            finished = begin(kept, check)
            for name in (*files, _LABELS):
                (finished / name).write_bytes((mine / name).read_bytes())
            complete(finished, mark)
        (kept / "checkpoint").remove()
        runs.append(np.load(io.BytesIO(_read(kept / _LABELS)), allow_pickle=False))
    consensus = find_consensus(runs, config.train.clusters)
    chosen = place / FOLDER / str(config.train.all_seeds[consensus.medoid])
    for name in files:
        (folder / name).write_bytes(_read(chosen / name))
    (folder / CARD).write_bytes(
        _card_of_run((folder / CARD).read_bytes(), config, place=str(chosen / CARD)).dump()
    )
    (folder / STABILITY).write_text(json.dumps(describe(consensus, config.train), indent=1) + "\n")
    np.savez(folder / VOTES, consensus=consensus.labels, agreement=consensus.agreement)


def _card_of_run(data: bytes, config: RunConfig, *, place: str) -> Card:
    """Make the card of one seed's model that of the run's: its id is that of all seeds' settings."""
    card = Card.load(data, place=place)
    made = {
        **card.provenance,
        "model_id": model_id_of(config, card.provenance["archive"]),
        "seeds": list(config.train.all_seeds),
    }
    return replace(card, provenance=made)


def describe(consensus: "Consensus", settings: TrainConfig) -> dict[str, Any]:
    """Say what ``stability.json`` holds: agreement of each pair, of all, and by cluster of the model."""
    seeds = settings.all_seeds
    groups = [consensus.agreement[consensus.labels == k] for k in range(settings.clusters)]
    return {
        "seeds": list(seeds),
        "asked_for": list(seeds) if isinstance(settings.seeds, tuple) else settings.seeds,
        "model_seed": seeds[consensus.medoid],
        "mean_ari": round(consensus.mean_ari, 4),
        "mean_matched_accuracy": round(consensus.mean_accuracy, 4),
        "ari": consensus.ari.round(4).tolist(),
        "matched_accuracy": consensus.accuracy.round(4).tolist(),
        "events": len(consensus.labels),
        "unanimous": round(float((consensus.agreement == 1).mean()), 4),
        "agreement_by_cluster": [round(float(group.mean()), 4) if group.size else None for group in groups],
    }


def read_stability(place: Location) -> dict[str, Any] | None:
    """Read ``stability.json`` of a model; None where it was trained once."""
    return read_document(place / STABILITY, _checked, remedy=_REMEDY)


def _checked(held: dict[str, Any]) -> dict[str, Any]:
    """Refuse a document that lacks what every reader of it needs."""
    if missing := _NEEDED - held.keys():
        raise KeyError(", ".join(sorted(missing)))
    return held


def read_votes(config: RunConfig, place: Location) -> Votes | None:
    """Read what most seeds say of each event, in the order of the archive; None where it was trained once."""
    if is_alone(config):
        return None
    with np.load(io.BytesIO(_read(place / VOTES)), allow_pickle=False) as held:
        return Votes(held["consensus"], held["agreement"])


def _read(place: Location) -> bytes:
    data = place.read_bytes()
    if data is None:
        raise MissingStageError(f"{place} is gone. Run `couloir train` again.")
    return data
