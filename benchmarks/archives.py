"""Make archives of many station-days quickly: one synthetic day, stamped with other dates and stations."""

import datetime as dt
from pathlib import Path

import numpy as np

from couloir.archive.layout import Layout
from couloir.identifiers import ChannelId
from couloir.synth import SynthSpec, write_archive

FIRST = dt.date(2024, 1, 1)
_RECORD = 512
_STATION, _YEAR, _DAY = slice(8, 13), slice(20, 22), slice(22, 24)
"""Where a miniSEED 2 record keeps them."""


def stamp_archive(folder: Path, *, stations: int, days: int, activity: float = 1.0) -> Path:
    """Write an SDS archive whose station-days all hold the recording of one synthetic day.

    Parameters
    ----------
    folder : Path
    stations, days : int
    activity : float
        Multiplies how many events a day has.

    Returns
    -------
    Path
        The archive's root.
    """
    source, root = folder / "source", folder / "archive"
    write_archive(str(source), SynthSpec(start=FIRST, days=1, stations=1, activity=activity))
    layout = Layout.named("sds")
    for path in sorted(source.glob("*/*/*/*.D/*")):
        network, _, location, channel = path.name.split(".")[:4]
        records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, _RECORD).copy()
        for number in range(stations):
            station = f"S{number:04d}"
            records[:, _STATION] = np.frombuffer(station.encode(), np.uint8)
            for day in (FIRST + dt.timedelta(days=k) for k in range(days)):
                records[:, _YEAR] = np.frombuffer(day.year.to_bytes(2, "big"), np.uint8)
                records[:, _DAY] = np.frombuffer(day.timetuple().tm_yday.to_bytes(2, "big"), np.uint8)
                target = root / layout.path(ChannelId(network, station, location, channel), day)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(records.tobytes())
    return root
