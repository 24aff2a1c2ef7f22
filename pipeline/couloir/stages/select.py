"""Select K: compare numbers of clusters without labels, and recommend one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.catalog.truth import read_labels, read_truth
from couloir.config import RunConfig, content_hash
from couloir.dec.keeper import EVERY_S, Keeper, never_stop
from couloir.errors import ConfigError, TrainingError
from couloir.stages.comparison import FOLDER, Row, Selection, write_selection
from couloir.stages.halves import LabelHalves
from couloir.stages.marks import begin, complete, is_current
from couloir.stages.settings import TRAINING_VERSION, detection_hash, output_of
from couloir.stages.train import Progress, in_memory, quieten_tensorflow
from couloir.store.location import Location
from couloir.store.sealed import Checksum
from couloir.store.spectrograms import SpectrogramArchive

SELECT_VERSION = 1
_MOST = 200
_KEPT, _CHECKPOINT = "kept", "checkpoint"


def parse_range(text: str) -> tuple[int, ...]:
    """Read ``2:14``, both ends included.

    Raises
    ------
    ConfigError
        When it is no such range.
    """
    low, _, high = text.partition(":")
    if not (low.isdecimal() and high.isdecimal() and 2 <= int(low) < int(high) <= _MOST):
        raise ConfigError(
            f"--select-k {text}: expected the least and the largest number of clusters, like 2:14, "
            f"rising and from 2 to {_MOST}"
        )
    return tuple(range(int(low), int(high) + 1))


def select(
    config: RunConfig,
    archive: SpectrogramArchive,
    *,
    numbers: Sequence[int],
    refine: int | None = None,
    progress: Progress,
    check_stop: Callable[[], None] = never_stop,
    checkpoint_s: float = EVERY_S,
) -> bool:
    """Compare numbers of clusters, unless the output holds that comparison.

    The autoencoder is pre-trained once, which K does not change. It and every K that is done are kept under
    ``select-k/kept``: a comparison that was killed goes on, and a wider one does only what is new.

    Parameters
    ----------
    config : RunConfig
    archive : SpectrogramArchive
    numbers : sequence of int
        Numbers of clusters, K, rising.
    refine : int, optional
        Iterations of the joint phase to go for each K, twice; none when not given.
    progress, check_stop, checkpoint_s
        As for `couloir.stages.train.train`.

    Returns
    -------
    bool
        Whether it was made now.

    Raises
    ------
    TrainingError
        When there are too few events.
    ConfigError
        When `catalog.truth` or `catalog.labels` cannot be read, or names an event that is not there.
    """
    place = output_of(config) / FOLDER
    mark = _mark(config, archive, numbers, refine)
    if is_current(place, mark):
        return False
    if len(archive) < 2 * max(numbers):
        raise TrainingError(
            f"Found {len(archive)} spectrograms; to compare up to {max(numbers)} clusters at least "
            f"{2 * max(numbers)} are needed. Detect over more days or stations, or end --select-k at "
            f"{len(archive) // 2}."
        )
    halves = _label_halves(config, archive)
    quieten_tensorflow()
    work = _Work(config, archive, place / _KEPT, progress=progress, check_stop=check_stop)
    work.prepare(place / _CHECKPOINT, checkpoint_s)
    rows, labels = [], {}
    for done, clusters in enumerate(numbers):
        progress("compare", done, len(numbers), f"{clusters} clusters")
        row, labels[clusters] = work.judge(clusters, refine)
        rows.append(Row(**row, tuning_ari=halves.tuning_ari(labels[clusters]) if halves else None))
    progress("compare", len(numbers), len(numbers), "")
    selection = _conclude(rows, work.autoencoder_error, labels, halves)
    finished = begin(place, check_stop)
    write_selection(finished, selection)
    complete(finished, mark)
    (place / _CHECKPOINT).remove()
    return True


def _pretraining(config: RunConfig) -> str:
    """Hash the settings that decide the criteria: the number of clusters and of seeds do not."""
    return content_hash(TRAINING_VERSION, config.train.model_dump(mode="json", exclude={"clusters", "seeds"}))


def _mark(
    config: RunConfig, archive: SpectrogramArchive, numbers: Sequence[int], refine: int | None
) -> dict[str, Any]:
    truth, by_hand = _label_places(config)
    return {
        "version": SELECT_VERSION,
        "training": _pretraining(config),
        "detection": detection_hash(config),
        "archive": archive.digest,
        "clusters": list(numbers),
        "refine": refine,
        "truth": _checksum(truth),
        "labels": _checksum(by_hand),
    }


class _Work:
    """Do what of a comparison has not been done yet."""

    def __init__(
        self,
        config: RunConfig,
        archive: SpectrogramArchive,
        kept: Location,
        *,
        progress: Progress,
        check_stop: Callable[[], None],
    ) -> None:
        from couloir.dec.accelerator import be_deterministic
        from couloir.dec.resident import settle
        from couloir.dec.selection import choose_sample

        if config.train.deterministic:
            be_deterministic()
        self._config, self._kept, self._progress, self._check = config, kept, progress, check_stop
        self._identity = content_hash(SELECT_VERSION, _pretraining(config), detection_hash(config), archive.digest)
        self._samples = settle(in_memory(archive, check_stop))
        self._chosen = choose_sample(len(archive), seed=config.train.seed)
        self._references: list[NDArray[np.float64]] = []

    def prepare(self, checkpoint: Location, checkpoint_s: float) -> None:
        """Have the pre-trained autoencoder and its latent vectors."""
        from couloir.dec.refine import pretrain_once, rebuild
        from couloir.dec.samples import check_samples

        settings = self._config.train
        held = self._load("autoencoder.npz")
        if held is None:
            check_samples(self._samples, settings.model_copy(update={"clusters": 2}), pause=self._check)
            keeper = Keeper(
                [checkpoint / f"{number}.npz" for number in range(2)],
                made_from=self._identity,
                every_s=checkpoint_s,
                check_stop=self._check,
            )
            done = pretrain_once(self._samples, settings, progress=self._progress, keeper=keeper)
            self._samples = done.load.samples
            held = {
                "weights": done.autoencoder.get_weights(),
                "latent": done.latent,
                "batch": done.load.batch,
                "error": self._reconstruction(done.autoencoder),
            }
            self._save("autoencoder.npz", held)
        self._weights, self._latent = held["weights"], held["latent"]
        self._batch = held.get("batch", settings.batch)
        self.autoencoder_error = float(held["error"])
        self._autoencoder = rebuild(self._samples.shape[1:], settings, self._weights)

    def judge(self, clusters: int, refine: int | None) -> tuple[dict[str, Any], NDArray[np.int32]]:
        """Give the criteria of one K, and the labels that go with it."""
        name = f"{clusters:03d}.npz"
        plain = self._load(name)
        if plain is None:
            plain = self._judge(clusters)
            self._save(name, plain)
        if refine is None:
            return plain["row"], plain["labels"]
        name = f"{clusters:03d}-refined-{refine}.npz"
        refined = self._load(name)
        if refined is None:
            refined = self._refine(clusters, refine)
            self._save(name, refined)
        return {**plain["row"], **refined["row"]}, refined["labels"]

    def _judge(self, clusters: int) -> dict[str, Any]:
        from couloir.dec.kmeans import run_kmeans
        from couloir.dec.refine import centroid_error
        from couloir.dec.selection import REFERENCES, draw_references, judge

        settings, vectors = self._config.train, self._latent[self._chosen]
        exact = vectors.astype(np.float64)
        if not self._references:
            self._references = draw_references(exact, REFERENCES, seed=settings.seed)
        criteria = judge(exact, clusters, references=self._references, seed=settings.seed, pause=self._check)
        centroids, labels = run_kmeans(self._latent, clusters, starts=settings.kmeans_starts, seed=settings.seed)
        error = centroid_error(
            self._autoencoder, self._samples, chosen=self._chosen, vectors=vectors, centroids=centroids
        )
        return {"row": {**asdict(criteria), "centroid_error": error}, "labels": labels}

    def _refine(self, clusters: int, iterations: int) -> dict[str, Any]:
        from couloir.dec.refine import refine

        changed = {"clusters": clusters, "max_iterations": iterations, "batch": self._batch}
        settings = self._config.train.model_copy(update=changed)
        found = refine(self._weights, self._samples, settings, latent=self._latent, pause=self._check)
        return {
            "row": {"joint_agreement": found.agreement, "joint_error": found.reconstruction},
            "labels": found.labels,
        }

    def _reconstruction(self, model: Any) -> float:
        from couloir.dec.samples import ENCODING_BATCH, read_batch

        total = 0.0
        for first in range(0, len(self._chosen), ENCODING_BATCH):
            images = read_batch(self._samples, self._chosen[first : first + ENCODING_BATCH])
            total += float(np.square(images - model.predict_on_batch(images)).mean(axis=(1, 2, 3)).sum())
            self._check()
        return total / len(self._chosen)

    def _load(self, name: str) -> dict[str, Any] | None:
        """Read what was kept, or None when there is nothing of these spectrograms and settings, or damaged."""
        from couloir.dec.checkpoint import unpack

        data = (self._kept / name).read_bytes()
        try:
            held = unpack(data) if data else None
        except ValueError:
            return None
        return held if held and held.get("identity") == self._identity else None

    def _save(self, name: str, state: dict[str, Any]) -> None:
        from couloir.dec.checkpoint import pack

        self._check()
        (self._kept / name).write_bytes(pack({**state, "identity": self._identity}))


def _conclude(
    rows: list[Row],
    autoencoder_error: float,
    labels: dict[int, NDArray[np.int32]],
    halves: LabelHalves | None,
) -> Selection:
    from couloir.dec.recommend import recommend

    found = recommend(rows)
    return Selection(
        rows=tuple(rows),
        recommended=found.clusters,
        reason=found.reason,
        gap_choice=found.gap_choice,
        autoencoder_error=autoencoder_error,
        score=halves.final_score(labels[found.clusters]) if halves else None,
    )


def _label_halves(config: RunConfig, archive: SpectrogramArchive) -> LabelHalves | None:
    truth, by_hand = _label_places(config)
    if truth is None and by_hand is None:
        return None
    return LabelHalves.of(
        config, archive, read_truth(truth) if truth else [], read_labels(by_hand) if by_hand else None
    )


def _label_places(config: RunConfig) -> tuple[Location | None, Location | None]:
    """Give the places of ``catalog.truth`` and ``catalog.labels``; None where they are not given."""
    truth, by_hand = (
        Location(url, config.archive.storage_options) if url else None
        for url in (config.catalog.truth, config.catalog.labels)
    )
    return truth, by_hand


def _checksum(place: Location | None) -> str | None:
    data = place.read_bytes() if place else None
    return None if data is None else Checksum.of(data).sha256
