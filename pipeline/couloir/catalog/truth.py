"""Compare a catalog with a table of known intervals: which events carry which label, what was missed."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from couloir.catalog.classes import refuse_taken
from couloir.catalog.events import numpy_column
from couloir.errors import ConfigError
from couloir.identifiers import NS_PER_S
from couloir.store.location import Location
from couloir.store.tables import Row, UserTable, read_user_table

TOLERANCE_NS = NS_PER_S
"""An interval and an event this far apart still meet."""
VISIBLE_SNR = 5.0
"""Where the truth gives an snr, intervals below this are not expected to be found."""
NOT_EVENTS = frozenset({"gap", "overlap", "step"})
"""Classes of a truth table that tell of faults in the recording."""
_REQUIRED = ("station", "class", "start_time", "end_time")


@dataclass(frozen=True)
class Interval:
    """Hold one known interval at one station; times in ns since the epoch. An empty network is any."""

    network: str
    station: str
    name: str
    start: int
    end: int
    snr: float | None


@dataclass(frozen=True)
class DetectionScore:
    """Hold how many of a class's intervals meet an event, and how many of its events are truly of it.

    Attributes
    ----------
    precision : float or None
        For ``all``: the share of triggers that meet any interval. For a class: the share of the events in clusters
        of that class whose label it is; None when no cluster is of the class.
    """

    name: str
    truth: int
    detected: int
    recall: float
    precision: float | None


def read_truth(place: Location) -> list[Interval]:
    """Read a truth table (CSV).

    Columns station, class, start_time and end_time (ISO 8601 UTC) are needed; network and snr are used where
    they are. Rows whose class tells of a fault in the recording are left out.

    Raises
    ------
    ConfigError
        When it is not there, is no UTF-8, lacks a column, or has a row with a time that is none, without a class,
        of class `unknown`, or that ends before it starts.
    """
    table = _read_table(place, "catalog.truth")
    if missing := [name for name in _REQUIRED if name not in table.columns]:
        raise ConfigError(
            f"catalog.truth: {place} has no column {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    return [
        _interval(row, f"catalog.truth: {place} line {number}")
        for number, row in table.rows
        if row["class"] not in NOT_EVENTS
    ]


def read_labels(place: Location) -> tuple[dict[str, str], list[Interval]]:
    """Read labels given by hand (CSV): classes of events by their event_id, and of intervals at stations.

    Column class is needed, and event_id, or station, start_time and end_time; where a row has an event_id
    the rest of it does not count.

    Raises
    ------
    ConfigError
        When it is not there, is no UTF-8, lacks a column, or has a row without a class or of class `unknown`, with
        neither event nor interval, or that ends before it starts.
    """
    table = _read_table(place, "catalog.labels")
    there = set(table.columns)
    if "class" not in there or not ("event_id" in there or set(_REQUIRED) <= there):
        raise ConfigError(
            f"catalog.labels: {place} must have the columns class and event_id, or {', '.join(_REQUIRED)}; "
            f"it has {', '.join(table.columns)}"
        )
    by_id: dict[str, str] = {}
    intervals = []
    for number, row in table.rows:
        where = f"catalog.labels: {place} line {number}"
        name = _class(row, where)
        if event := (row.get("event_id") or "").strip():
            if by_id.setdefault(event, name) != name:
                raise ConfigError(f"{where}: {event} is {by_id[event]} further up and {name} here; keep one")
        elif all(row.get(key) for key in _REQUIRED):
            intervals.append(_interval(row, where))
        else:
            raise ConfigError(f"{where}: neither an event_id nor station, start_time and end_time")
    return by_id, intervals


def _read_table(place: Location, setting: str) -> UserTable:
    table = read_user_table(place, setting=setting)
    if table is None:
        raise ConfigError(f"{setting}: {place} does not exist")
    return table


def _interval(row: Row, where: str) -> Interval:
    try:
        start, end = _to_ns(row["start_time"]), _to_ns(row["end_time"])
        snr = float(given) if (given := row.get("snr")) else None
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
    if end < start:
        raise ConfigError(f"{where}: it ends ({row['end_time']}) before it starts ({row['start_time']})")
    network, station = ((row.get(name) or "").strip() for name in ("network", "station"))
    return Interval(network, station, _class(row, where), start, end, snr)


def _class(row: Row, where: str) -> str:
    """Give a row's class, if it is one that a catalog can hold."""
    name = (row["class"] or "").strip()
    if not name:
        raise ConfigError(f"{where}: no class; give one or remove the row")
    refuse_taken(name, where)
    return name


class Matching:
    """Match intervals with a catalog's events, station by station.

    Parameters
    ----------
    table : pyarrow.Table
        The catalog. What of a window is its trigger counts, not the time before it.
    truth : sequence of Interval
    window_ns : int
        Length of a window, ns.
    """

    def __init__(self, table: pa.Table, truth: Sequence[Interval], *, window_ns: int) -> None:
        start = numpy_column(table, "start_time")
        self._first = np.maximum(start, numpy_column(table, "onset_time"))
        self._last = np.minimum(start + window_ns, numpy_column(table, "end_time"))
        self._onset = numpy_column(table, "onset_time")
        self._truth = list(truth)
        self._names = list(zip(table["network"].to_pylist(), table["station"].to_pylist(), strict=True))
        rows: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row, (network, station) in enumerate(self._names):
            rows[network, station].append(row)
            rows["", station].append(row)
        self._rows = {name: np.array(numbers, np.int64) for name, numbers in rows.items()}
        self._labels: list[str | None] = [None] * len(start)
        self._overlap = np.zeros(len(start), np.int64)
        self._met = np.zeros(len(self._truth), bool)
        for number, interval in enumerate(self._truth):
            self._match(number, interval)

    @property
    def labels(self) -> list[str | None]:
        """The class of the interval that each event overlaps most; None where it meets none."""
        return list(self._labels)

    @property
    def unmet(self) -> int:
        """Number of intervals that meet no event."""
        return int((~self._met).sum())

    @property
    def strange_stations(self) -> list[str]:
        """Stations of intervals, in order, of which there is no event at all."""
        strange = {(i.network, i.station) for i in self._truth} - self._rows.keys()
        return [".".join(filter(None, names)) for names in sorted(strange)]

    def scores(self, classes: Sequence[str | None]) -> list[DetectionScore]:
        """Score detection by class.

        Parameters
        ----------
        classes : sequence of str or None
            The class of each event's cluster.

        Returns
        -------
        list of DetectionScore
            First ``all``, then each class in order of its name.
        """
        expected = np.array([i.snr is None or i.snr >= VISIBLE_SNR for i in self._truth], bool)
        names = np.array([interval.name for interval in self._truth], object)
        triggers = set(zip(self._names, self._onset.tolist(), strict=True))
        true = {
            (name, onset)
            for name, onset, label in zip(self._names, self._onset.tolist(), self._labels, strict=True)
            if label is not None
        }
        rows = [_score("all", expected, self._met, len(true) / len(triggers) if triggers else None)]
        for name in sorted(set(names.tolist())):
            of_class = [label for label, given in zip(self._labels, classes, strict=True) if given == name]
            precision = sum(label == name for label in of_class) / len(of_class) if of_class else None
            rows.append(_score(name, expected & (names == name), self._met, precision))
        return rows

    def _match(self, number: int, interval: Interval) -> None:
        rows = self._rows.get((interval.network, interval.station))
        if rows is None:
            return
        overlap = np.minimum(self._last[rows], interval.end) - np.maximum(self._first[rows], interval.start)
        near = overlap >= -TOLERANCE_NS
        self._met[number] = near.any()
        # + 1 so that events that only come near, with an overlap of 0 or less, are labelled too
        for row, length in zip(rows[near], np.maximum(overlap[near], 0) + 1, strict=True):
            if length > self._overlap[row]:
                self._overlap[row] = length
                self._labels[row] = interval.name


def _score(name: str, which: NDArray[np.bool_], met: NDArray[np.bool_], precision: float | None) -> DetectionScore:
    total, found = int(which.sum()), int((which & met).sum())
    return DetectionScore(name, total, found, found / total if total else float("nan"), precision)


def _to_ns(text: Any) -> int:
    moment = dt.datetime.fromisoformat(str(text).strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000
