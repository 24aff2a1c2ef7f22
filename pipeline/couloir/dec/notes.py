"""Put in sentences what a reader should know of a training beyond its numbers."""

import warnings

from couloir.config import TrainConfig
from couloir.dec.joint import Clustered
from couloir.errors import CouloirWarning


def note_batch(settings: TrainConfig, count: int) -> tuple[str, ...]:
    """Say that a batch was asked for that is larger than all samples together, if it was."""
    if settings.batch <= count:
        return ()
    return (f"train.batch is {settings.batch}, but there are only {count} samples: each step takes them all",)


def note_memory(settings: TrainConfig, batch: int, *, count: int) -> tuple[str, ...]:
    """Say that memory ran out with the batches asked for, if it did."""
    asked = min(settings.batch, count)
    if batch >= asked:
        return ()
    return (f"memory ran out with batches of {asked}: trained with batches of {batch}",)


def note_collapse(clustered: Clustered) -> tuple[str, ...]:
    """Say how often the clustering was found collapsed, if ever."""
    if not clustered.collapsed_renewals:
        return ()
    times = f"{clustered.collapsed_renewals} of {clustered.renewals} renewals"
    last = f"; at the last, {', '.join(clustered.last_collapse)}" if clustered.last_collapse else ""
    return (f"the clustering had collapsed at {times}{last}",)


def warn_collapse(clustered: Clustered) -> None:
    """Warn of a clustering that ended collapsed, or of which no sound state was left to keep."""
    wrong = clustered.kept_collapse or clustered.last_collapse
    if not wrong:
        return
    kept = f"The state of iteration {clustered.best_iteration}, sound still, was kept"
    if clustered.kept_collapse:
        kept = "There was no sound state to keep"
    warnings.warn(
        f"The clustering collapsed: {'; '.join(wrong)}. {kept}. Try a smaller train.kl_weight beside the "
        "reconstruction, a smaller train.clustering_learning_rate, more train.epochs, or fewer train.clusters.",
        CouloirWarning,
        stacklevel=3,
    )
