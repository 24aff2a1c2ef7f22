"""Assign: the model that is in the output is applied to every event of the archive, without training."""

from collections.abc import Callable

from couloir.config import RunConfig
from couloir.stages.catalog import catalog
from couloir.stages.changes import refuse_changes
from couloir.stages.held import expect_held
from couloir.stages.marks import all_is_well
from couloir.store.spectrograms import SpectrogramArchive


def assign(config: RunConfig, archive: SpectrogramArchive, *, check: Callable[[], None] = all_is_well) -> bool:
    """Write the catalog with the model that is there, whatever it was trained on, unless it is there already.

    The rows carry that model's id. From then on it is the one that `catalog`, `report` and `verify` go with,
    until another one is trained.

    Parameters
    ----------
    config : RunConfig
    archive : SpectrogramArchive
    check : callable, optional
        Called before anything is written; what it raises keeps it from being written.

    Returns
    -------
    bool
        Whether it was written now.

    Raises
    ------
    MissingStageError
        When there is no model.
    ChangedSettingsError
        When it was trained with other settings than the run file's.
    ModelFileError
        When it takes spectrograms that are made otherwise.
    """
    mark = expect_held(config)
    refuse_changes(config, (), stages=["train"])
    return catalog(config, archive, check=check, model=mark)
