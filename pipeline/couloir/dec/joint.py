"""Refine the clusters and the autoencoder together, towards targets renewed from the model itself.

Source: Xie et al. (2016) for the targets and the stop rule; Guo et al. (2017), Improved deep embedded
clustering with local structure preservation, IJCAI, for keeping the reconstruction in the loss.
"""

import math
from dataclasses import dataclass

from couloir.config import TrainConfig
from couloir.dec.backend import Tensor, keras
from couloir.dec.best import BestState
from couloir.dec.clustering import assigner_of
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.renewal import Renewal, StopReason, decide_stop, renew_targets
from couloir.dec.samples import Samples, read_batch, shuffled_batches
from couloir.dec.seeds import make_generator
from couloir.dec.steps import StepRunner

ops = keras.ops


class JointModel(keras.Model):  # type: ignore[misc]
    """Wrap a clustering model for training on kl_weight x KL(p || q) + reconstruction_weight x MSE.

    KL is summed over clusters and averaged over the batch; MSE is the mean over everything.

    Parameters
    ----------
    network
        From (n, F, T, C) to ``{"q", "reconstruction"}``.
    kl_weight, reconstruction_weight
        Weights of the two losses.
    """

    def __init__(self, network: keras.Model, *, kl_weight: float, reconstruction_weight: float) -> None:
        super().__init__(name="joint")
        self.network = network
        self.kl_weight = kl_weight
        self.reconstruction_weight = reconstruction_weight
        self.reconstruction = keras.metrics.Mean(name="reconstruction")

    def call(self, image: Tensor, training: bool | None = None) -> Tensor:  # noqa: FBT001 (Keras calls it so)
        """Give q and the reconstruction of spectrograms."""
        return self.network(image, training=training)

    def compute_loss(self, x: Tensor, y: Tensor, y_pred: Tensor, *_: object, **__: object) -> Tensor:
        """Give the joint loss of spectrograms ``x`` with targets ``y`` (n, K), and note the MSE."""
        kl = ops.mean(keras.losses.kl_divergence(y, y_pred["q"]))
        reconstruction = ops.mean(ops.square(x - y_pred["reconstruction"]))
        self.reconstruction.update_state(reconstruction)
        return self.kl_weight * kl + self.reconstruction_weight * reconstruction


@dataclass(frozen=True)
class Clustered:
    """Say how the joint phase went.

    Attributes
    ----------
    iterations
        Steps made.
    best_iteration
        The step whose weights were kept.
    stopped_because
        ``converged``, ``collapsed`` (labels at rest in a collapsed clustering) or ``max_iterations``.
    renewals, collapsed_renewals
        How many renewals there were, and how many of them found a collapse.
    last_collapse, kept_collapse
        What is wrong with the last state and with the state that was kept; empty when sound.
    """

    iterations: int
    best_iteration: int
    stopped_because: StopReason
    renewals: int
    collapsed_renewals: int
    last_collapse: tuple[str, ...]
    kept_collapse: tuple[str, ...]


class _JointPhase:
    """Go from renewal to renewal, on shuffled batches, epoch after epoch."""

    def __init__(self, model: keras.Model, samples: Samples, *, settings: TrainConfig, progress: Progress) -> None:
        self._samples, self._settings, self._progress = samples, settings, progress
        joint = JointModel(
            model, kl_weight=settings.kl_weight, reconstruction_weight=settings.reconstruction_weight
        )
        self._runner = StepRunner(joint, learning_rate=settings.learning_rate, phase="clustering")
        generator = make_generator(settings.seed, "cluster")
        self._batches = shuffled_batches(len(samples), settings.batch, generator=generator)
        self._reconstruction: float | None = None

    @property
    def iteration(self) -> int:
        """Steps made."""
        return self._runner.done

    def go_on(self, renewal: Renewal) -> None:
        """Make the steps up to the next renewal."""
        total = self._settings.max_iterations
        changed = "" if renewal.changed is None else f", {renewal.changed:.2%} of labels changed"
        for _ in range(min(self._settings.update_interval, total - self.iteration)):
            indices = next(self._batches)
            loss = self._runner.step(read_batch(self._samples, indices), renewal.targets[indices])
            self._progress("cluster", self.iteration, total, f"loss {loss:.4f}{changed}")
        self._reconstruction = self._runner.take_means()["reconstruction"]

    def judge(self, renewal: Renewal) -> dict[str, float]:
        """Give the joint loss by which states are compared, and its parts."""
        self._runner.check(renewal.kl)
        settings, mse = self._settings, self._reconstruction
        if mse is None:
            return {"kl": renewal.kl, "loss": math.inf}
        loss = settings.kl_weight * renewal.kl + settings.reconstruction_weight * mse
        return {"kl": renewal.kl, "loss": loss, "reconstruction": mse}


def cluster(
    model: keras.Model,
    samples: Samples,
    *,
    settings: TrainConfig,
    log: TrainingLog,
    progress: Progress = no_progress,
) -> Clustered:
    """Train a clustering model in place by Adam on the joint loss, and leave it in its best state.

    The state of every renewal is judged by kl_weight x KL(p || q) over the whole archive, p being its
    own new target, plus reconstruction_weight x the mean MSE of the steps since the renewal before.
    The lowest among the states that have not collapsed is kept. The state that k-means gave comes
    before any step, so has no such loss: it is kept only when every later one has collapsed.

    Parameters
    ----------
    model
        From (n, F, T, C) to ``{"q", "reconstruction"}``, its centroids initialised.
    samples
        Spectrograms (N, F, T, C).
    settings
        The two weights, ``learning_rate``, ``batch``, ``update_interval``, ``tolerance``,
        ``max_iterations`` and ``seed`` are used.
    log, progress
        Where each renewal and each iteration are told.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    phase = _JointPhase(model, samples, settings=settings, progress=progress)
    assigner = assigner_of(model)
    best = BestState(model)
    renewals = collapsed = 0
    labels = None
    while True:
        renewal = renew_targets(assigner, samples, previous=labels)
        labels = renewal.labels
        renewals, collapsed = renewals + 1, collapsed + bool(renewal.collapse)
        losses = phase.judge(renewal)
        best.offer(phase.iteration, loss=losses["loss"], collapse=renewal.collapse)
        log.add("cluster", phase.iteration, values={**losses, "changed": renewal.changed})
        reason = decide_stop(phase.iteration, renewal, settings)
        if reason is not None:
            break
        phase.go_on(renewal)
    best.restore()
    return Clustered(
        iterations=phase.iteration,
        best_iteration=best.iteration,
        stopped_because=reason,
        renewals=renewals,
        collapsed_renewals=collapsed,
        last_collapse=renewal.collapse,
        kept_collapse=best.collapse,
    )
