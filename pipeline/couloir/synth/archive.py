"""Write synthetic station-days as an SDS tree with a truth table beside it."""

import datetime as dt
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import Any

from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import ChannelId, day_start_ns
from couloir.storage import Patience, explain, open_place, persist
from couloir.synth.geometry import COMPONENTS
from couloir.synth.miniseed import encode_channel
from couloir.synth.spec import SynthSpec
from couloir.synth.station_day import SynthDay, make_station_day
from couloir.synth.truth import TruthRow, merge_rows, to_csv

Progress = Callable[[int, int], None]


def write_archive(
    url: str,
    spec: SynthSpec,
    *,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    workers: int = 1,
) -> str:
    """Write a synthetic archive: an SDS tree of Steim2 miniSEED, and truth.csv.

    truth.csv has one row for each source and station at which it is visible, with the columns network,
    station, location, class, start_time, end_time, source_id, snr. Times are ISO 8601 UTC. A signal is
    visible while its own three-component envelope (1-45 Hz) exceeds 1.5 times the median of the noise's
    envelope at that hour; snr is the ratio at its peak, among the samples that are not in a gap. Rows of
    the classes `gap` and `overlap` have no snr; `step` is measured like a signal.

    Parameters
    ----------
    url
        Folder or bucket prefix; any URL that fsspec knows. Files that are there are replaced.
    spec
        What to write.
    storage_options
        Passed to the file system.
    progress
        Called after each station-day with how many are done and how many there are.
    workers
        Processes; the bytes are the same for any number of them.

    Returns
    -------
    str
        URL of truth.csv.

    Raises
    ------
    ConfigError
        When workers is less than 1.
    ArchiveError
        When the place cannot be written.
    """
    if workers < 1:
        raise ConfigError(f"workers: {workers!r} must be 1 or more")
    write = partial(_write_job, url, spec, dict(storage_options or {}))
    jobs = list(product(spec.calendar, range(spec.stations)))
    rows: list[TruthRow] = []
    with _mapper(min(workers, len(jobs))) as run:
        for done, part in enumerate(run(write, jobs), start=1):
            rows += part
            if progress:
                progress(done, len(jobs))
    truth_url = f"{url.rstrip('/')}/truth.csv"
    _write_bytes(truth_url, to_csv(merge_rows(rows)).encode(), storage_options or {})
    return truth_url


def write_station_day(
    url: str,
    spec: SynthSpec,
    *,
    day: dt.date,
    station: int,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[TruthRow, ...]:
    """Write the three files of one station-day, as `write_archive` would; none when all of it is a gap.

    Parameters
    ----------
    url
        Folder or bucket prefix of the archive.
    spec
        The archive.
    day
        The UTC day; it need not be one of the archive's.
    station
        Number of the station, from 0.
    storage_options
        Passed to the file system.

    Returns
    -------
    tuple of TruthRow
        The truth of this station-day; join the rows of several days with `truth.merge_rows`.

    Raises
    ------
    ConfigError
        When the archive has no such station.
    ArchiveError
        When the place cannot be written.
    """
    if not 0 <= station < spec.stations:
        raise ConfigError(f"station: {station!r} must be 0 to {spec.stations - 1}, the archive's stations")
    made = make_station_day(spec, station, day=day)
    for channel, data in _encoded(spec, made):
        path = sds_path(channel, day)
        _write_bytes(f"{url.rstrip('/')}/{path}", data, storage_options or {})
    return made.rows


def sds_path(channel: ChannelId, day: dt.date) -> str:
    """Give the path of a channel-day in an SDS tree."""
    name = f"{channel.network}.{channel.station}.{channel.location}.{channel.channel}.D.{day:%Y.%j}"
    return f"{day:%Y}/{channel.network}/{channel.station}/{channel.channel}.D/{name}"


def _write_job(
    url: str, spec: SynthSpec, storage_options: dict[str, Any], job: tuple[dt.date, int]
) -> tuple[TruthRow, ...]:
    day, station = job
    return write_station_day(url, spec, day=day, station=station, storage_options=storage_options)


def _encoded(spec: SynthSpec, made: SynthDay) -> Iterator[tuple[ChannelId, bytes]]:
    band = made.station.band
    stretches = made.faults.stretches(spec.samples_per_day)
    if not stretches:
        return
    for component, counts in zip(COMPONENTS, made.counts, strict=True):
        channel = ChannelId(band.network, band.station, band.location, f"{band.band_instrument}{component}")
        data = encode_channel(
            counts,
            stretches,
            channel=channel,
            start_ns=day_start_ns(made.day),
            sampling_rate=spec.sampling_rate,
        )
        yield channel, data


def _write_bytes(url: str, data: bytes, storage_options: Mapping[str, Any]) -> None:
    try:
        files, path = open_place(url, storage_options)
        files.makedirs(posixpath.dirname(path), exist_ok=True)
        persist(files, "pipe_file", path, data, patience=Patience(), size=len(data))
    except ConfigError as error:
        raise ArchiveError(f"{url} cannot be written: {error}") from error
    except Exception as error:  # every file system has errors of its own
        raise ArchiveError(
            f"{url} cannot be written: {explain(error)}. Name a folder or bucket you may write."
        ) from error


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give a function like `map` that runs here, or in processes that start by spawn."""
    if workers == 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool.map
