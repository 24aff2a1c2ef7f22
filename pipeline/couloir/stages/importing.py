"""Import: a file of weights made elsewhere becomes the run's model."""

import csv
import hashlib
import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from couloir.config import DetectConfig, RunConfig, SpectrogramConfig
from couloir.errors import ChangedSettingsError, ConfigError, ModelFileError
from couloir.kernels.spectrogram import COMPONENTS
from couloir.stages.card import CARD, Card, preprocessing_of, versions
from couloir.stages.held import Mark, held_mark, is_imported
from couloir.stages.marks import all_is_well, begin, complete, is_current
from couloir.stages.settings import output_of
from couloir.stages.train import MODEL_FILES, quieten_tensorflow
from couloir.store.location import Location

_CHECKPOINT = "checkpoint"


def import_model(
    config: RunConfig,
    file: str,
    *,
    names: Mapping[int, str] | None = None,
    take_settings: bool = False,
    redo: bool = False,
    check: Callable[[], None] = all_is_well,
) -> bool:
    """Make the weights of a Keras 2 file the run's model, unless they are it already.

    Parameters
    ----------
    config : RunConfig
        Its train section says which network the weights are of.
    file : str
        Path or URL of an h5 file.
    names : mapping of int to str, optional
        What clusters are called.
    take_settings : bool, optional
        Whether the run file says how the spectrograms were made that the weights were trained on. If not, they
        are taken to be the published ones: the defaults.
    redo : bool, optional
        Whether to replace another model.
    check : callable, optional
        Called before anything is written; what it raises keeps it from being written.

    Returns
    -------
    bool
        Whether it was imported now.

    Raises
    ------
    ConfigError
        When there is no such file, or a name is that of no cluster.
    ModelFileError
        When the file holds no model that fits the settings.
    ChangedSettingsError
        When the output holds another model.
    """
    data = Location(file, config.archive.storage_options).read_bytes()
    if data is None:
        raise ConfigError(f"{file} does not exist, or is a folder. Give the file of weights, ending in .h5.")
    name = file.rstrip("/").rsplit("/", 1)[-1]
    quieten_tensorflow()
    from couloir.dec.legacy import build_from, count_clusters, read_layers

    layers = read_layers(data, name=name)
    shape = (config.spectrogram.frequencies, config.spectrogram.times, len(COMPONENTS))
    model = build_from(layers, shape, config.train, name=name)
    made = {
        "kind": "imported",
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "layers": [layer.name for layer in layers],
        "alpha": config.train.alpha,
        "versions": versions(),
    }
    preprocessing = _preprocessing(config, name, take_settings=take_settings)
    card = Card(preprocessing, count_clusters(layers), dict(names or {}), made)
    _check_names(card)
    mark: Mark = {"model_id": card.model_id, "imported": made["sha256"]}
    place = output_of(config) / "model"
    if is_current(place, mark):
        return False
    if not redo:
        _refuse_replacing(config)
    with tempfile.TemporaryDirectory(prefix="couloir-import-") as here:
        _write(model, card, Path(here))
        finished = begin(place, check)
        for written in MODEL_FILES:
            (finished / written).write_bytes((Path(here) / written).read_bytes())
    complete(finished, mark)
    (place / _CHECKPOINT).remove()
    return True


def read_names(text: str) -> dict[int, str]:
    """Read what clusters are called: ``0=earthquake,3=rockfall``, or a CSV file of cluster and class.

    Raises
    ------
    ConfigError
        Saying what is no name.
    """
    if "=" in text and not Path(text).is_file():
        pairs = [(part.partition("=")[0], part.partition("=")[2]) for part in text.split(",")]
    else:
        content = Location(text).read_text()
        if content is None:
            raise ConfigError(f"--names {text}: expected names like 0=earthquake,3=rockfall, or a CSV file")
        rows = list(csv.DictReader(io.StringIO(content)))
        if not rows or not {"cluster", "class"} <= set(rows[0]):
            raise ConfigError(f"--names {text}: expected a CSV file with the columns cluster and class")
        pairs = [(row["cluster"] or "", row["class"] or "") for row in rows]
    names: dict[int, str] = {}
    for cluster, name in pairs:
        number = int(cluster) if cluster.strip().isdecimal() else None
        if number is None or not name.strip() or number in names:
            raise ConfigError(
                f"--names {text}: {cluster.strip()}={name.strip()} is not a new cluster's number and its name, "
                "like 3=rockfall"
            )
        names[number] = name.strip()
    return names


def _preprocessing(config: RunConfig, name: str, *, take_settings: bool) -> dict[str, object]:
    here = preprocessing_of(config.detect, config.spectrogram)
    published = preprocessing_of(DetectConfig(), SpectrogramConfig())
    unlike = [key for key, value in published.items() if key != "detect.band" and here[key] != value]
    if unlike and not take_settings:
        told = ", ".join(f"{key} {published[key]} -> {here[key]}" for key in unlike)
        raise ModelFileError(
            f"{name} is taken to be trained on the published spectrograms, and this run's are made otherwise: "
            f"{told}. Set these back; or, if it was trained on spectrograms as the run file makes them, say so "
            "with --take-settings."
        )
    return here if take_settings else published


def _check_names(card: Card) -> None:
    unknown = sorted(cluster for cluster in card.names if cluster >= card.clusters)
    if unknown:
        raise ConfigError(
            f"--names: there is no cluster {unknown[0]}; the model has the clusters 0 to {card.clusters - 1}"
        )


def _refuse_replacing(config: RunConfig) -> None:
    held = held_mark(config)
    if held is not None:
        what = "another imported model, or names" if is_imported(held) else "a model that was trained here"
        raise ChangedSettingsError(
            f"{output_of(config) / 'model'} holds {what}. With --redo it is replaced; to keep it, give another "
            "output.url. `couloir model show` says what it is."
        )


def _write(model: Any, card: Card, folder: Path) -> None:
    """Write the files of a model; what only a training knows is left empty."""
    from couloir.dec.record import describe_import, save_model, write_metrics

    save_model(model, folder / "dec.keras")
    write_metrics({"imported": card.provenance["file"], **describe_import(model)}, folder / "metrics.json")
    (folder / "log.csv").write_text("")
    np.save(folder / "initial_labels.npy", np.empty(0, np.int32), allow_pickle=False)
    (folder / CARD).write_bytes(card.dump())
