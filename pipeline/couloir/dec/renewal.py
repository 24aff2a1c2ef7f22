"""Renew the targets of the clustering from the model itself, and say when there is no more to learn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.clustering import kl_divergence, target_distribution
from couloir.dec.collapse import find_collapse
from couloir.dec.keeper import never_stop
from couloir.dec.predict import predict
from couloir.dec.samples import Samples

StopReason = Literal["converged", "collapsed", "max_iterations"]


@dataclass(frozen=True)
class Renewal:
    """Hold what one look over the whole archive gives.

    Attributes
    ----------
    targets
        p, (N, K) float32.
    labels
        Largest q, (N,) int32.
    changed
        Share of labels that differ from the previous renewal's; None at the first.
    kl
        KL(p || q) of the whole archive, nats.
    collapse
        What is wrong with the clustering, a sentence each; empty when it is sound.
    """

    targets: NDArray[np.float32]
    labels: NDArray[np.int32]
    changed: float | None
    kl: float
    collapse: tuple[str, ...]


def renew_targets(
    assigner: keras.Model,
    samples: Samples,
    *,
    previous: NDArray[np.int32] | None = None,
    balance: float = 1.0,
    pause: Callable[[], None] = never_stop,
) -> Renewal:
    """Assign the whole archive and sharpen the result into new targets; the decoder is not run.

    Parameters
    ----------
    assigner
        Encoder and clustering layer: from (n, F, T, C) to q (n, K).
    samples
        Spectrograms (N, F, T, C).
    previous
        The previous renewal's labels (N,), if there was one.
    balance
        As for `target_distribution`.
    pause
        Called after each batch.
    """
    q = predict(assigner, samples, pause=pause)
    labels = q.argmax(axis=1).astype(np.int32)
    targets = target_distribution(q, balance=balance)
    return Renewal(
        targets=targets,
        labels=labels,
        changed=None if previous is None else float(np.mean(labels != previous)),
        kl=kl_divergence(targets, q),
        collapse=find_collapse(q),
    )


def decide_stop(iteration: int, renewal: Renewal, settings: TrainConfig) -> StopReason | None:
    """Say why training ends at this renewal, or None when it goes on.

    It ends when fewer than ``settings.tolerance`` of the labels changed since the previous renewal
    (Xie et al. 2016, section 3.1), and at ``settings.max_iterations`` at the latest.
    """
    if renewal.changed is not None and renewal.changed < settings.tolerance:
        return "collapsed" if renewal.collapse else "converged"
    return "max_iterations" if iteration >= settings.max_iterations else None
