"""Read how sensitive each channel is, so that counts become ground motion."""

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from couloir.archive.place import PATIENCE
from couloir.errors import ArchiveError, ConfigError
from couloir.identifiers import ChannelId
from couloir.storage import Patience, explain, open_place, persist

MOTIONS = {"m/s": "m/s", "m/s**2": "m/s**2", "m/s^2": "m/s**2", "m/s2": "m/s**2", "m/s/s": "m/s**2", "m": "m"}
"""Ground motions as StationXML writes them, in lower case, and as they are called here."""
COUNTS = "count"


@dataclass(frozen=True, order=True)
class Sensitivity:
    """Hold a channel's overall sensitivity during an epoch.

    Attributes
    ----------
    channel : ChannelId
    start_ns, end_ns : int
        The epoch, ns since the epoch of time; the end is exclusive.
    counts : float
        Counts for one unit of motion, at the frequency that the station's metadata state.
    motion : str
        ``m/s``, ``m/s**2``, ``m``, or the metadata's own word where it is none of these.
    """

    channel: ChannelId
    start_ns: int
    end_ns: int
    counts: float
    motion: str


@dataclass(frozen=True)
class Calibration:
    """Hold what makes motion of a sensor's counts on one day.

    Attributes
    ----------
    gains : mapping of str to float
        By component: units of motion for one count; 1 where amplitudes stay counts.
    unit : str
    remarks : tuple of str
        Why amplitudes stay counts although sensitivities were asked for.
    """

    gains: Mapping[str, float]
    unit: str = COUNTS
    remarks: tuple[str, ...] = ()


def read_sensitivities(
    url: str, storage_options: Mapping[str, Any] | None = None, *, patience: Patience = PATIENCE
) -> tuple[Sensitivity, ...]:
    """Read the sensitivities that StationXML holds.

    Parameters
    ----------
    url : str
        A StationXML file, or a pattern with * for several: a path or any URL that fsspec knows.
    storage_options : mapping, optional
        For the file system.
    patience : Patience
        How long the storage may keep one waiting.

    Returns
    -------
    tuple of Sensitivity
        In order.

    Raises
    ------
    ConfigError
        When there is no such file, or it is no StationXML.
    ArchiveError
        When it cannot be fetched.
    """
    found: list[Sensitivity] = []
    for path, data in _documents(url, storage_options or {}, patience):
        found += _parse(path, data)
    return tuple(sorted(found))


def calibrate(
    sensitivities: Sequence[Sensitivity] | None, channels: Mapping[str, ChannelId], instant_ns: int
) -> Calibration:
    """Find the gains of a sensor's components at an instant.

    All components are of one unit, or amplitudes stay counts: a sum over them would mean nothing.

    Parameters
    ----------
    sensitivities : sequence of Sensitivity, or None
        Those of the sensor; None when none were asked for.
    channels : mapping of str to ChannelId
        By component.
    instant_ns : int
        ns since the epoch.
    """
    if sensitivities is None:
        return Calibration({})
    gains: dict[str, float] = {}
    units: set[str] = set()
    for component, channel in channels.items():
        known = [s for s in sensitivities if s.channel == channel and s.start_ns <= instant_ns < s.end_ns]
        held = max(known, key=lambda s: s.start_ns, default=None)  # an older epoch may have been left open
        if held is None:
            return _in_counts(f"no sensitivity of {channel} on that day")
        if held.motion not in MOTIONS.values():
            return _in_counts(f"{channel} measures {held.motion}, which is no ground motion")
        gains[component] = 1.0 / held.counts
        units.add(held.motion)
    if len(units) > 1:
        return _in_counts(f"components measure {' and '.join(sorted(units))}")
    return Calibration(gains, units.pop()) if units else Calibration({})


def _in_counts(why: str) -> Calibration:
    return Calibration({}, COUNTS, (f"amplitudes are in counts: {why}",))


def _documents(url: str, storage_options: Mapping[str, Any], patience: Patience) -> Iterator[tuple[str, bytes]]:
    name = url
    try:
        file_system, path = open_place(url, storage_options, patience=patience)
        paths = sorted(persist(file_system, "glob", path, patience=patience)) if "*" in path else [path]
        if not paths:
            raise ConfigError(f"nothing matches {url}")
        for name in paths:
            yield name, persist(file_system, "cat_file", name, patience=patience)
    except ConfigError as error:
        raise ConfigError(f"archive.stationxml: {error}") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigError(f"archive.stationxml: {name} is no file. Give a StationXML file, or *.xml") from error
    except Exception as error:  # every file system has errors of its own
        raise ArchiveError(f"archive.stationxml: {name} cannot be fetched: {explain(error)}") from error


def _parse(path: str, data: bytes) -> Iterable[Sensitivity]:
    from obspy import read_inventory

    try:
        inventory = read_inventory(io.BytesIO(data), format="STATIONXML")
    except Exception as error:  # the XML reader has many
        raise ConfigError(f"archive.stationxml: {path} is not StationXML: {error}") from error
    for network in inventory:
        for station in network:
            for channel in station:
                response = channel.response
                held = response.instrument_sensitivity if response else None
                if held is None or not held.value or not math.isfinite(held.value):
                    continue
                name = ChannelId(network.code, station.code, channel.location_code, channel.code)
                unit = (held.input_units or "").strip()
                yield Sensitivity(
                    name,
                    channel.start_date.ns if channel.start_date else -(2**63),
                    channel.end_date.ns if channel.end_date else 2**63 - 1,
                    abs(float(held.value)),
                    MOTIONS.get(unit.lower(), unit or "nothing that it names"),
                )
