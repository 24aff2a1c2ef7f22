"""Import: a model made elsewhere becomes the run's model."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import fsspec

from couloir.catalog.classes import refuse_taken
from couloir.config import RunConfig
from couloir.errors import ChangedSettingsError, ConfigError, ModelFileError
from couloir.stages.card import CARD, Card
from couloir.stages.elsewhere import MODEL, NOVELTY, take_model
from couloir.stages.held import Mark, held_mark, is_imported
from couloir.stages.incoming import Incoming
from couloir.stages.marks import all_is_well, announce, complete, is_current
from couloir.stages.seeds import FOLDER, SEED_FILES
from couloir.stages.settings import output_of
from couloir.stages.train import quieten_tensorflow
from couloir.stages.weights import take_weights
from couloir.store.location import Location
from couloir.store.tables import read_user_table

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
    """Make a model from elsewhere the run's, unless it is that already.

    Parameters
    ----------
    config : RunConfig
        Its train section says which network weights of Keras 2 are of.
    file : str
        Path or URL: weights of Keras 2, or ``dec.keras`` in another output's folder ``model``, or that folder.
    names : mapping of int to str, optional
        What clusters are called; if not given, what another output calls them.
    take_settings : bool, optional
        Whether the run file says how the spectrograms were made that weights were trained on. If not, they
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
    MissingStageError
        When cluster centres are to be found among the archive's events, and these are not there yet.
    ChangedSettingsError
        When the output holds another model.
    """
    quieten_tensorflow()
    folder = _model_folder(config, file)
    if folder is None:
        model = take_weights(
            config,
            _read_file(config, file),
            name=file.rstrip("/").rsplit("/", 1)[-1],
            names=names or {},
            take_settings=take_settings,
            check=check,
        )
    elif take_settings:
        raise ConfigError(
            f"--take-settings is for weights that do not say what they take; {folder / CARD} says it."
        )
    else:
        model = take_model(config, folder, names=names, check=check)
    _check_names(model.card)
    return _keep(config, model, redo=redo, check=check)


def read_names(text: str) -> dict[int, str]:
    """Read what clusters are called: ``0=earthquake,3=rockfall``, or a CSV file of cluster and class.

    A catalog's ``clusters.csv`` is such a file: a cluster is called by the class that most of its labels have.

    Raises
    ------
    ConfigError
        Saying what is no name.
    """
    if "=" in text and not Path(text).is_file():
        pairs = [(part.partition("=")[0], part.partition("=")[2]) for part in text.split(",")]
    else:
        table = read_user_table(Location(text), setting="--names") if text.strip() else None
        if table is None:
            raise ConfigError(f"--names {text!r}: expected names like 0=earthquake,3=rockfall, or a CSV file")
        column = "class" if "class" in table.columns else "majority_class"
        if not table.rows or not {"cluster", column} <= set(table.columns):
            raise ConfigError(f"--names {text}: expected a CSV file with the columns cluster and class")
        pairs = [(row["cluster"] or "", row[column] or "") for _, row in table.rows]
        if column == "majority_class":  # a cluster without labels has none
            pairs = [(cluster, name) for cluster, name in pairs if name.strip()]
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


def _place(config: RunConfig, file: str) -> Location:
    """Reach a file with the options of the output or of the archive, whichever lies in the same kind of place."""
    kind, *_ = fsspec.core.split_protocol(file)
    for section in (config.output, config.archive):
        if fsspec.core.split_protocol(section.url)[0] == kind:
            return Location(file, section.storage_options)
    return Location(file)


def _model_folder(config: RunConfig, file: str) -> Location | None:
    """Give the folder of another output's model; None where the file is not of such a one."""
    place = _place(config, file.rstrip("/"))
    if place.url.endswith((".h5", ".hdf5")):
        return None
    if place.url.endswith(".keras"):
        folder, _, name = place.url.rpartition("/")
        if name != MODEL:
            raise ModelFileError(
                f"{file}: a model of Couloir's is called {MODEL} and lies beside its card, {CARD}. Give the "
                "folder `model` of another output, or weights, ending in .h5."
            )
        return replace(place, url=folder or ("/" if place.url.startswith("/") else "."))
    return place if (place / MODEL).size() is not None or (place / CARD).size() is not None else None


def _read_file(config: RunConfig, file: str) -> bytes:
    place = _place(config, file)
    data = None if place.local_path and place.local_path.is_dir() else place.read_bytes()
    if data is None:
        raise ConfigError(
            f"{file} does not exist, or is a folder without a model. Give weights, ending in .h5, or the folder "
            "`model` of another output."
        )
    return data


def _keep(config: RunConfig, model: Incoming, *, redo: bool, check: Callable[[], None]) -> bool:
    """Write a model to the output, unless it lies there already.

    Its mark is set first, so that a run does not train where an import was killed, and again at the end.
    """
    mark: Mark = {"model_id": model.card.model_id, "imported": model.card.provenance["sha256"]}
    place = output_of(config) / "model"
    if is_current(place, mark):
        return False
    if not redo:
        _refuse_replacing(config, mark)
    finished = announce(place, mark, check)
    for left in (NOVELTY, *SEED_FILES, FOLDER, _CHECKPOINT):  # of a model that was trained here
        (place / left).remove()
    for name, data in {**model.files, CARD: model.card.dump()}.items():
        (finished / name).write_bytes(data)
    complete(finished, mark)
    return True


def _check_names(card: Card) -> None:
    for cluster, name in card.names.items():
        refuse_taken(name, f"--names: {cluster}={name}")
    unknown = sorted(cluster for cluster in card.names if cluster >= card.clusters)
    if unknown:
        raise ConfigError(
            f"--names: there is no cluster {unknown[0]}; the model has the clusters 0 to {card.clusters - 1}"
        )


def _refuse_replacing(config: RunConfig, mark: Mark) -> None:
    held = held_mark(config)
    if held not in (None, mark):
        what = "another imported model, or names" if is_imported(held) else "a model that was trained here"
        raise ChangedSettingsError(
            f"{output_of(config) / 'model'} holds {what}. With --redo it is replaced; to keep it, give another "
            "output.url. `couloir model show` says what it is."
        )
