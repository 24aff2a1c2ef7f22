"""Choose which events the report shows: the most typical of each cluster, and those on the map."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.clusters import ClusterRow
from couloir.catalog.events import numpy_column
from couloir.catalog.latent import read_latent
from couloir.config import RunConfig
from couloir.identifiers import BandId
from couloir.report import ClusterView, TypicalEvent
from couloir.report.maps import project, sample
from couloir.stages.settings import output_of
from couloir.store.events import event_id
from couloir.store.spectrograms import SpectrogramArchive

TYPICAL = 4
"""Events shown of each cluster."""
_MEAN_OVER = 512
"""Events, at most, in a cluster's mean spectrogram."""


def lay_out(config: RunConfig, table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Choose the events to show of the latent space, and lay them out on a plane."""
    ids = table["event_id"].to_pylist()
    shown = sample(len(ids), seed=config.train.seed)
    if not len(shown):
        return shown, np.empty((0, 2), np.float32)
    latent = read_latent(output_of(config) / "catalog")
    return shown, project(np.array([latent[ids[i]] for i in shown]), config.train.seed)


def show_clusters(archive: SpectrogramArchive, table: pa.Table, rows: list[ClusterRow]) -> tuple[ClusterView, ...]:
    """Show each cluster by its mean and by its most typical events: those the model is surest of."""
    position = _positions(archive)
    ids = table["event_id"].to_pylist()
    cluster = numpy_column(table, "cluster")
    confidence = numpy_column(table, "confidence")
    snr, onset = numpy_column(table, "snr"), numpy_column(table, "onset_time")
    bands = bands_of(table)
    views = []
    for row in rows:
        members = np.flatnonzero(cluster == row.cluster)
        surest = members[np.argsort(-confidence[members], kind="stable")]
        best = _distinct(surest, onset)
        wanted = np.array([position[ids[i]] for i in best], np.int64)
        waveforms, spectrograms = archive.waveforms(wanted), archive[wanted]
        typical = tuple(
            TypicalEvent(
                ids[i], bands[i], int(onset[i]), float(confidence[i]), float(snr[i]), waveforms[k], spectrograms[k]
            )
            for k, i in enumerate(best)
        )
        some = surest[np.linspace(0, len(surest) - 1, min(len(surest), _MEAN_OVER)).astype(int)]
        mean = _mean(archive, np.array([position[ids[i]] for i in some], np.int64))
        views.append(
            ClusterView(row.cluster, row.events, row.majority_class, row.purity, row.labelled, mean, typical)
        )
    return tuple(views)


def _distinct(surest: NDArray[np.int64], onset: NDArray[np.int64]) -> list[int]:
    """Take the surest events, but not one source twice: onsets a minute apart."""
    chosen: list[int] = []
    for i in surest:
        if all(abs(int(onset[i]) - int(onset[j])) > 60_000_000_000 for j in chosen):
            chosen.append(int(i))
        if len(chosen) == TYPICAL:
            break
    return chosen


def _mean(archive: SpectrogramArchive, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    if not len(wanted):
        return np.zeros(archive.shape[1:], np.float32)
    mean: NDArray[np.float32] = archive[wanted].mean(axis=0, dtype=np.float32)
    return mean


def _positions(archive: SpectrogramArchive) -> dict[str, int]:
    starts = archive.column("start_time")
    numbers = archive.block_numbers()
    return {
        event_id(archive.blocks[number].band, int(start)): i
        for i, (number, start) in enumerate(zip(numbers, starts, strict=True))
    }


def bands_of(table: pa.Table) -> list[str]:
    """Name the sensor of each event of a catalog."""
    codes = (table[name].to_pylist() for name in ("network", "station", "location", "band_instrument"))
    return [str(BandId(*row)) for row in zip(*codes, strict=True)]
