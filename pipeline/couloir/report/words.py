"""Say in words what the report's numbers are: counts, times, the summary and the warnings."""

import datetime as dt
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.identifiers import DAY_NS, day_of_ns, format_time
from couloir.report.data import ClusterView, ReportData
from couloir.report.palette import STATUS_WORDS
from couloir.report.timebins import typical_hours

NO_BREAK = "\u00a0"

COLLAPSED_SHARE = 0.95
"""One cluster that holds more than this share of the events is called a collapse."""


def plural(count: int, noun: str) -> str:
    """Write a count and its noun: ``1 event``, ``2,000 events``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float) -> str:
    """Write a share of 0..1 in whole percent, but never round something to nothing or to all."""
    if 0 < share < 0.01:
        return f"<1{NO_BREAK}%"
    if 0.99 < share < 1:
        return f">99{NO_BREAK}%"
    return f"{100 * share:.0f}{NO_BREAK}%"


def moment(time_ns: int) -> str:
    """Write an instant (ns since the epoch) to a tenth of a second, without the zone: the page is all UTC."""
    return format_time(time_ns).replace("T", " ")[:21]


def peak(counts: float | None) -> str:
    """Write an event's largest amplitude, counts."""
    if counts is None:
        return "no waveform"
    return f"peak {counts:,.0f} counts" if counts >= 100 else f"peak {counts:.3g} counts"


def hours(onset_ns: NDArray[np.integer[Any]]) -> str:
    """Write the typical hours of onsets (ns): ``08–12 h``, ``any`` where they are spread out."""
    if not len(onset_ns):
        return "–"
    span = typical_hours(onset_ns)
    return "any" if span is None else f"{span[0]:02d}–{span[1] or 24:02d}{NO_BREAK}h"


def period(first: dt.date, last: dt.date) -> str:
    """Write a span of days, both inclusive."""
    return f"{first}" if first == last else f"{first} to {last}"


def summary(data: ReportData) -> str:
    """Tell the run in one paragraph: how much, where, when, and what stands out."""
    stations, days = _extent(data)
    where = f"at {plural(len(stations), 'station')} " if stations else ""
    when = f"in {plural(len(days), 'day')} ({period(min(days), max(days))}, UTC)" if days else ""
    events = len(data.onset_ns)
    if not events:
        return f"No events were detected {where}{when}".strip() + "."
    sentences = [f"{plural(events, 'event')} {where}{when}".strip() + _sorted_into(data) + "."]
    populated = [view for view in data.clusters if view.events]
    if len(populated) > 1:
        sentences.append(_largest(data, max(populated, key=lambda view: view.events)))
    if len(days) > 1:
        day, count = Counter((data.onset_ns // DAY_NS).tolist()).most_common(1)[0]
        sentences.append(f"The busiest day was {day_of_ns(day * DAY_NS)} with {plural(count, 'event')}.")
    sentences += _against_truth(data)
    return " ".join(sentences)


def _extent(data: ReportData) -> tuple[set[str], set[dt.date]]:
    """Find the stations and UTC days that the run covers: by its outcomes, or else by its events."""
    if data.outcomes:
        return {outcome.station for outcome in data.outcomes}, {outcome.day for outcome in data.outcomes}
    days = {day_of_ns(day * DAY_NS) for day in np.unique(data.onset_ns // DAY_NS).tolist()}
    return {data.stations[index] for index in np.unique(data.station_index)}, days


def _sorted_into(data: ReportData) -> str:
    if not data.clusters:
        return ", not clustered"
    unassigned = unassigned_events(data)
    rest = f"; {unassigned:,} in none" if unassigned else ""
    return f", sorted into {plural(len(data.clusters), 'cluster')}{rest}"


def _largest(data: ReportData, view: ClusterView) -> str:
    onsets = data.onset_ns[data.cluster == view.cluster]
    span = hours(onsets)
    habit = "at any hour" if span == "any" else f"mostly {span} UTC"
    habitual = "mostly " if view.labelled else ""
    named = f", {habitual}{view.majority_class}" if view.majority_class else ""
    return (
        f"The largest is cluster {view.cluster}{named}, with {plural(view.events, 'event')} "
        f"({percent(view.events / len(data.onset_ns))}), {habit}."
    )


def _against_truth(data: ReportData) -> list[str]:
    overall = next((row for row in data.detection if row.name == "all"), None)
    if overall is None:
        return []
    truth = plural(overall.truth, "true event")
    return [f"Of {truth} {overall.detected:,} were detected ({percent(overall.recall)})."]


def unassigned_events(data: ReportData) -> int:
    """Count the events whose cluster id is not one of the report's clusters."""
    return int(np.count_nonzero(~np.isin(data.cluster, [view.cluster for view in data.clusters])))


def warnings(data: ReportData) -> tuple[str, ...]:
    """List what a reader must know before trusting the page: the data's own warnings come first."""
    return (*data.warnings, *_unusable_days(data), *_empty_clusters(data), *_collapse(data))


def _unusable_days(data: ReportData) -> list[str]:
    counts = Counter(outcome.status for outcome in data.outcomes)
    kinds = [status for status in ("failed", "unreadable", "too_gappy", "flat") if counts[status]]
    if not kinds:
        return []
    unusable = sum(counts[status] for status in kinds)
    causes = ", ".join(f"{counts[status]:,} {STATUS_WORDS[status]}" for status in kinds)
    total = plural(len(data.outcomes), "station-day")
    return [f"{unusable:,} of {total} could not be used: {causes}. The reasons stand under Station-days."]


def _empty_clusters(data: ReportData) -> list[str]:
    empty = sorted(view.cluster for view in data.clusters if not view.events)
    if not empty or not len(data.onset_ns):
        return []
    ids = ", ".join(str(number) for number in empty)
    return [f"Cluster {ids} holds no events." if len(empty) == 1 else f"Clusters {ids} hold no events."]


def _collapse(data: ReportData) -> list[str]:
    largest = max(data.clusters, key=lambda view: view.events, default=None)
    if largest is None or len(data.clusters) < 2:
        return []
    share = largest.events / max(1, len(data.onset_ns))
    if share <= COLLAPSED_SHARE:
        return []
    found = f"Cluster {largest.cluster} holds {percent(share)} of all events: the clustering has collapsed."
    return [f"{found} Look at the training curves, and try another seed or number of clusters."]
