"""Split labels in two halves: one may be looked at while a choice is made, the other scores what was chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.events import UTC_NS
from couloir.catalog.truth import Interval, Matching
from couloir.config import RunConfig
from couloir.identifiers import HOUR_NS, NS_PER_S
from couloir.stages.naming import name_events
from couloir.store.events import event_id
from couloir.store.spectrograms import SpectrogramArchive


@dataclass(frozen=True)
class LabelHalves:
    """Hold each event's label, and which half it is of.

    Attributes
    ----------
    labels
        (N,), None where an event meets no interval.
    reporting
        (N,) bool: the half that no choice may see.
    """

    labels: tuple[str | None, ...]
    reporting: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        config: RunConfig,
        archive: SpectrogramArchive,
        truth: Sequence[Interval],
        by_hand: tuple[Mapping[str, str], Sequence[Interval]] | None = None,
    ) -> "LabelHalves":
        """Label the events of an archive as its catalog does, and split them, seeded by the run's seed.

        Parameters
        ----------
        config : RunConfig
        archive : SpectrogramArchive
        truth : sequence of Interval
            What `catalog.truth` holds.
        by_hand : tuple, optional
            What `catalog.labels` holds, see `read_labels`: for events that meet no interval of the truth.

        Raises
        ------
        ConfigError
            When a label names an event that is not there.
        """
        bands = [archive.blocks[number].band for number in archive.block_numbers()]
        times = {
            name: pa.array(archive.column(name), pa.int64()).cast(UTC_NS)
            for name in ("start_time", "onset_time", "end_time")
        }
        names = {"network": [b.network for b in bands], "station": [b.station for b in bands]}
        starts = archive.column("start_time")
        ids = [event_id(band, start) for band, start in zip(bands, starts, strict=True)]
        table = pa.table({**times, **names, "event_id": ids})
        labels = Matching(table, truth, window_ns=round(config.detect.window_s * NS_PER_S)).labels
        if by_hand is not None:
            given = name_events(table, *by_hand, window_s=config.detect.window_s)
            labels = [theirs or ours for theirs, ours in zip(labels, given, strict=True)]
        return cls(tuple(labels), split_by_hour(archive.column("onset_time"), seed=config.train.seed))

    def tuning_ari(self, clusters: NDArray[np.int32]) -> float | None:
        """Give the ARI of clusters (N,) with the tuning half's labels; None where there are none."""
        found = self._score(clusters, ~self.reporting)
        return found["ari"] if found else None

    def final_score(self, clusters: NDArray[np.int32]) -> dict[str, Any] | None:
        """Give the four scores of clusters (N,) on the reporting half; ask once, for what was chosen."""
        return self._score(clusters, self.reporting)

    def _score(self, clusters: NDArray[np.int32], half: NDArray[np.bool_]) -> dict[str, Any] | None:
        from couloir.dec.assess import score_clusters

        rows = np.flatnonzero(half)
        scores = score_clusters([self.labels[row] for row in rows], clusters[rows])
        return asdict(scores) if scores.n else None


def split_by_hour(times_ns: NDArray[np.int64], *, seed: int) -> NDArray[np.bool_]:
    """Put whole UTC hours into one half or the other, so that the windows of one source stay together.

    Parameters
    ----------
    times_ns
        (N,) onsets, ns since the epoch.
    seed
        The run's seed.

    Returns
    -------
    ndarray of bool, shape (N,)
        Whether an event is of the reporting half. Half of the hours with events are, one more or less.
    """
    hours, index = np.unique(times_ns // HOUR_NS, return_inverse=True)
    chosen = np.zeros(len(hours), bool)
    chosen[np.random.default_rng(seed % 2**32).permutation(len(hours))[: (len(hours) + 1) // 2]] = True
    return np.asarray(chosen[index], np.bool_)
