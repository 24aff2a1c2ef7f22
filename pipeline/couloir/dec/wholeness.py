"""Check that the parts of a model fit one another: network, calibration, and what a training left."""

from collections.abc import Mapping

import numpy as np

from couloir.dec.assign import assign
from couloir.dec.backend import keras
from couloir.dec.clustering import CLUSTERING
from couloir.dec.novelty import BODY, Novelty
from couloir.errors import TrainingError


def refuse_other_calibration(model: keras.Model, novelty: Novelty) -> None:
    """Refuse a calibration whose arrays are not of this model's sizes, or not finite numbers.

    Parameters
    ----------
    model
        A clustering model.
    novelty
        As `couloir.dec.novelty.load_novelty` reads it.

    Raises
    ------
    TrainingError
        Naming the first array that does not fit.
    """
    for name, wanted in _shapes(model, novelty).items():
        array = getattr(novelty, name)
        if array.shape not in wanted:
            told = " or ".join(map(str, wanted))
            raise TrainingError(f"its calibration of novelty has {name} {array.shape}; the model takes {told}")
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise TrainingError(f"its calibration of novelty has {name} that are not all finite numbers")
    if (np.diff(novelty.calibration) < 0).any():
        raise TrainingError("its calibration of novelty does not rise")


def _shapes(model: keras.Model, novelty: Novelty) -> Mapping[str, tuple[tuple[int, ...], ...]]:
    """Give the shapes that each array may have; the free sizes are those of the arrays themselves."""
    latent, residual = _sizes(model)
    components, more = (
        np.shape(basis)[-1] if basis.ndim else 0 for basis in (novelty.basis, novelty.residual_basis)
    )
    gaussians, places = novelty.weights.size, components + more
    values = components + 1
    body = (round(BODY * 100) + 2,)
    return {
        "centre": ((latent,),),
        "basis": ((latent, components),),
        "residual_centre": ((residual,),),
        "residual_basis": ((residual, more),),
        "error_scale": ((2,),),
        "weights": ((max(gaussians, 1),),),
        "means": ((gaussians, places),),
        "precisions": ((gaussians, places, places),),
        "noise": ((0,), (1 + values + values * (values + 1) // 2,)),
        "rare_body": (body,),
        "noise_body": (body,),
        "calibration": ((novelty.calibration.size,),),
    }


def _sizes(model: keras.Model) -> tuple[int, int]:
    """Give the lengths of a latent vector and of a residual, by asking the model about an empty picture."""
    blank = np.zeros((1, *model.inputs[0].shape[1:]), np.float32)
    return model.get_layer(CLUSTERING).centroids.shape[1], assign(model, blank).residual.shape[1]
