"""Put the page together: draw the figures, gather the words, fill the template."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from couloir.identifiers import DAY_NS, HOUR_NS, day_start_ns
from couloir.report import clusters, days, maps, palette, words
from couloir.report.data import ReportData
from couloir.report.figures import coverage, histograms, latent, spectrograms, training, tree
from couloir.report.figures.canvas import Picture, report_style
from couloir.report.timebins import TimeBins, time_bins

STACKED_CLUSTERS = len(palette.BASE)
"""Clusters told apart in the stacked histograms; smaller ones are drawn together in grey."""


def render(data: ReportData) -> str:
    """Write the report as one HTML document that needs no other file.

    Parameters
    ----------
    data
        Everything that the page shows.

    Returns
    -------
    str
        The document. The same data gives the same text.
    """
    colours = palette.cluster_colours(view.cluster for view in data.largest_first)
    with report_style():
        return _environment().get_template("page.html").render(_context(data, colours))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("couloir.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = words.percent
    environment.globals.update(plural=words.plural, period=words.period)
    return environment


def _context(data: ReportData, colours: Mapping[int, str]) -> dict[str, Any]:
    """Gather everything that the template names."""
    bins = _bins(data)
    return {
        "data": data,
        "summary": words.summary(data),
        "warnings": words.warnings(data),
        "labelled": any(view.labelled for view in data.clusters),
        "classed": any(view.majority_class is not None for view in data.clusters),
        "unassigned": words.unassigned_events(data),
        "sections": clusters.sections(data, colours, bins=bins),
        "colours": colours,
        "unassigned_colour": palette.UNASSIGNED,
        "key": spectrograms.colour_bar(clusters.scale_of(data), "key"),
        "stacked": _stacked(data, colours, bins),
        "stacked_clusters": STACKED_CLUSTERS,
        "bins": bins,
        "map": _map(data, colours),
        "tree": tree.merge_tree(data.merges, data.leaves, data.clusters, colours, name="tree")
        if data.merges
        else None,
        "map_method": data.map_method or maps.METHOD,
        "curves": training.curves(data.training, tolerance=data.tolerance),
        "best_scores": _best_scores(data),
        "coverage": coverage.matrix(data.outcomes, "days") if data.outcomes else None,
        "totals": days.totals(data.outcomes),
        "stations": days.station_rows(data.outcomes),
        "problems": days.problems(data.outcomes),
        "most_problems": days.MOST_PROBLEMS,
        "status_colours": palette.STATUS_COLOURS,
        "status_words": palette.STATUS_WORDS,
    }


def _bins(data: ReportData) -> TimeBins | None:
    """Choose the bins of every date histogram: one axis for all clusters, over the whole run.

    A run of several days is shown from its first day to its last, silent ones too; a shorter one from the
    hour of its first event to that of its last.
    """
    if not len(data.onset_ns):
        return None
    first = int(data.onset_ns.min()) // HOUR_NS * HOUR_NS
    last = int(data.onset_ns.max()) // HOUR_NS * HOUR_NS + HOUR_NS - 1
    planned = sorted({outcome.day for outcome in data.outcomes})
    if len(planned) > 1:
        first = min(first, day_start_ns(planned[0]))
        last = max(last, day_start_ns(planned[-1]) + DAY_NS - 1)
    return time_bins(first, last)


def _stacked(
    data: ReportData, colours: Mapping[int, str], bins: TimeBins | None
) -> tuple[Picture, Picture] | None:
    """Draw all events by date and by hour, in their clusters' colours."""
    if bins is None:
        return None
    named = [view.cluster for view in data.largest_first[:STACKED_CLUSTERS]]
    layers = [(data.onset_ns[data.cluster == cluster], colours[cluster]) for cluster in named]
    layers.append((data.onset_ns[~np.isin(data.cluster, named)], palette.UNASSIGNED))
    label = f"of all {words.plural(len(data.onset_ns), 'event')}, stacked by cluster"
    return (
        histograms.by_date(layers, bins, "all-dates", alt=f"Dates {label}"),
        histograms.by_hour(layers, "all-hours", alt=f"Hours of day (UTC) {label}"),
    )


def _map(data: ReportData, colours: Mapping[int, str]) -> Picture | None:
    """Draw the latent map if it holds enough points to have a shape."""
    if len(data.latent_map) < 3:
        return None
    return latent.latent_map(data.latent_map, data.latent_cluster, colours, name="map")


def _best_scores(data: ReportData) -> Mapping[str, float]:
    """Find the best value of each score, as printed."""
    names: Sequence[str] = ("purity", "nmi", "ari", "hungarian_accuracy")
    return {
        name: max((round(getattr(row, name), 3) for row in data.scores), default=float("nan")) for name in names
    }
