"""Refine the clusters and the autoencoder together, towards targets renewed from the model itself.

Source: Xie et al. (2016) for the targets and the stop rule; Guo et al. (2017), Improved deep embedded
clustering with local structure preservation, IJCAI, for keeping the reconstruction in the loss.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from couloir.config import TrainConfig
from couloir.dec.augment import Augmenter
from couloir.dec.backend import Tensor, keras
from couloir.dec.best import BestState
from couloir.dec.checkpoint import State
from couloir.dec.clustering import assigner_of
from couloir.dec.feed import Feed
from couloir.dec.keeper import Keeper
from couloir.dec.learner import Learner, mean_squared_error
from couloir.dec.log import Progress, TrainingLog, no_progress
from couloir.dec.optimizers import clustering_descent
from couloir.dec.renewal import Renewal, StopReason, decide_stop, renew_targets
from couloir.dec.samples import Samples, shuffled_groups
from couloir.dec.seeds import make_generator
from couloir.dec.steps import StepRunner

ops = keras.ops


class JointModel(Learner):
    """Wrap a clustering model for training on kl_weight x KL(p || q) + reconstruction_weight x MSE.

    KL is summed over clusters and averaged over the batch; MSE is the mean over everything. A network
    without a reconstruction is trained on KL alone.

    Parameters
    ----------
    network
        From (n, F, T, C) to ``{"q", "reconstruction"}`` or to ``{"q"}``.
    augment
        Changes samples before the network.
    kl_weight, reconstruction_weight
        Weights of the two losses.
    """

    def __init__(
        self, network: keras.Model, augment: Augmenter, *, kl_weight: float, reconstruction_weight: float
    ) -> None:
        super().__init__(name="joint")
        self.augment = augment
        self.network = network
        self.kl_weight = kl_weight
        self.reconstruction_weight = reconstruction_weight
        if "reconstruction" in network.output:
            self.loss_names = ("loss", "reconstruction")
        self.built = True

    def call(self, image: Tensor, training: bool | None = None) -> dict[str, Tensor]:  # noqa: FBT001 (Keras calls it so)
        """Give q and the reconstruction of spectrograms, changed first when training, and what they are to be."""
        spoilt, image = self.augment(image, training=training)
        return {"image": image, **self.network(spoilt, training=training)}

    def measure(self, outputs: Mapping[str, Tensor], targets: Tensor | None) -> dict[str, Tensor]:
        """Give the joint loss with the targets p (n, K), and the MSE."""
        kl = self.kl_weight * ops.mean(keras.losses.kl_divergence(targets, outputs["q"]))
        if "reconstruction" not in outputs:
            return {"loss": kl}
        reconstruction = mean_squared_error(outputs)
        return {"loss": kl + self.reconstruction_weight * reconstruction, "reconstruction": reconstruction}


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

    def __init__(
        self,
        model: keras.Model,
        samples: Samples,
        *,
        settings: TrainConfig,
        log: TrainingLog,
        progress: Progress,
        keeper: Keeper,
    ) -> None:
        self._samples, self._settings = samples, settings
        self._log, self._progress, self._keeper = log, progress, keeper
        self._assigner, self._best = assigner_of(model), BestState(model)
        joint = JointModel(
            model
            if settings.reconstruction_weight
            else keras.Model(model.inputs[0], {"q": self._assigner.output}),
            Augmenter(settings.augment, seed=settings.seed, purpose="cluster"),
            kl_weight=settings.kl_weight,
            reconstruction_weight=settings.reconstruction_weight,
        )
        self._runner = StepRunner(joint, descent=clustering_descent(settings), phase="clustering")
        self._renewal: Renewal | None = None
        self._renewed_at = self._renewals = self._collapsed = 0

    def state(self) -> State:
        """Give what a checkpoint keeps; there must have been a renewal."""
        return {
            "runner": self._runner.state(),
            "best": self._best.state(),
            "renewal": vars(self._renewal),
            "renewed_at": self._renewed_at,
            "renewals": self._renewals,
            "collapsed": self._collapsed,
        }

    def resume(self, state: State) -> None:
        """Go on from what a checkpoint kept."""
        self._best.resume(state["best"])
        self._best.restore()  # a decoder that is not trained is in no step's state
        self._runner.resume(state["runner"])
        self._renewal = Renewal(**{**state["renewal"], "collapse": tuple(state["renewal"]["collapse"])})
        self._renewed_at, self._renewals = state["renewed_at"], state["renewals"]
        self._collapsed = state["collapsed"]
        done, total = self._runner.done, self._settings.max_iterations
        self._progress("cluster", done, total, f"going on from iteration {done}")

    def run(self) -> Clustered:
        """Train until labels rest or there are no iterations left."""
        if self._renewal is None:
            self._renewal = self._renew(previous=None)
        self._keeper.follow("joint", self.state)
        self._keeper.forget("pretrain")
        self._keeper.save()
        settings = self._settings
        groups = shuffled_groups(
            len(self._samples),
            settings.batch,
            generator=make_generator(settings.seed, "cluster"),
            together=settings.shuffle,
            skip=self._runner.done,
            until=settings.max_iterations,
        )
        with Feed(self._samples, groups) as feed:
            while (reason := decide_stop(self._renewed_at, self._renewal, settings)) is None:
                self._go_on(self._renewal, feed)
                self._renewal = self._renew(previous=self._renewal)
                self._keeper.pause()
        self._keeper.save()
        self._keeper.release()
        return self._end(self._renewal, reason)

    def _go_on(self, renewal: Renewal, feed: Feed) -> None:
        """Make the steps up to the next renewal."""
        total = self._settings.max_iterations
        changed = "" if renewal.changed is None else f", {renewal.changed:.2%} of labels changed"
        until = min(self._renewed_at + self._settings.update_interval, total)
        while self._runner.done < until:
            loss = self._runner.run(feed.draw(until - self._runner.done), renewal.targets)
            self._progress("cluster", self._runner.done, total, f"loss {loss:.4f}{changed}")
            self._keeper.pause()

    def _renew(self, *, previous: Renewal | None) -> Renewal:
        """Renew the targets, and judge the state that gave them."""
        labels = None if previous is None else previous.labels
        # Until the targets are there the state is that of the last step: pauses may keep it.
        balance, pause = self._settings.target_balance, self._keeper.pause
        renewal = renew_targets(self._assigner, self._samples, previous=labels, balance=balance, pause=pause)
        losses = self._judge(renewal, self._runner.take_means().get("reconstruction"))
        self._renewed_at = self._runner.done
        self._renewals, self._collapsed = self._renewals + 1, self._collapsed + bool(renewal.collapse)
        rank = losses["loss"] if self._settings.keep == "best" else 0.0  # of equal states the later is kept
        self._best.offer(self._renewed_at, loss=rank, collapse=renewal.collapse)
        self._log.add("cluster", self._renewed_at, values={**losses, "changed": renewal.changed})
        return renewal

    def _judge(self, renewal: Renewal, mse: float | None) -> dict[str, float]:
        """Give the joint loss by which states are compared, and its parts."""
        self._runner.check(renewal.kl)
        settings = self._settings
        if not self._runner.done:
            return {"kl": renewal.kl, "loss": math.inf}
        if mse is None:
            return {"kl": renewal.kl, "loss": settings.kl_weight * renewal.kl}
        loss = settings.kl_weight * renewal.kl + settings.reconstruction_weight * mse
        return {"kl": renewal.kl, "loss": loss, "reconstruction": mse}

    def _end(self, renewal: Renewal, reason: StopReason) -> Clustered:
        self._best.restore()
        return Clustered(
            iterations=self._runner.done,
            best_iteration=self._best.iteration,
            stopped_because=reason,
            renewals=self._renewals,
            collapsed_renewals=self._collapsed,
            last_collapse=renewal.collapse,
            kept_collapse=self._best.collapse,
        )


def cluster(
    model: keras.Model,
    samples: Samples,
    *,
    settings: TrainConfig,
    log: TrainingLog,
    progress: Progress = no_progress,
    keeper: Keeper | None = None,
    earlier: State | None = None,
) -> Clustered:
    """Train a clustering model in place on the joint loss, and leave it in its best, or last, state.

    The state of every renewal is judged by kl_weight x KL(p || q) over the whole archive, p being its
    own new target, plus reconstruction_weight x the mean MSE of the steps since the renewal before.
    The lowest among the states that have not collapsed is kept. The state that k-means gave comes
    before any step, so has no such loss: it is kept only when every later one has collapsed. With
    ``keep: last`` it is the last that has not collapsed.

    Where ``reconstruction_weight`` is 0 the decoder is neither run nor changed.

    Parameters
    ----------
    model
        From (n, F, T, C) to ``{"q", "reconstruction"}``, its centroids initialised.
    samples
        Spectrograms (N, F, T, C).
    settings
        The two weights, the clustering's optimizer and learning rate, ``momentum``, ``augment``, ``batch``,
        ``shuffle``, ``update_interval``, ``tolerance``, ``max_iterations``, ``keep`` and ``seed`` are used.
    log, progress
        Where each renewal and each iteration are told.
    keeper
        Asked between steps whether to keep the state, as ``joint``, or to stop.
    earlier
        What it kept, to go on from.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    keeper = keeper or Keeper()
    phase = _JointPhase(model, samples, settings=settings, log=log, progress=progress, keeper=keeper)
    if earlier:
        phase.resume(earlier)
    return phase.run()
