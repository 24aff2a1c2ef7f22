"""Work out what the report says and draws about each cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.report import words
from couloir.report.data import ClusterView, ReportData, TypicalEvent
from couloir.report.figures import histograms, spectrograms
from couloir.report.figures.canvas import Picture
from couloir.report.figures.spectrograms import COMPONENTS, Scale
from couloir.report.timebins import TimeBins

MOST_STATIONS = 8


@dataclass(frozen=True)
class Share:
    """Say how many events a name has, and their share of the whole, 0..1."""

    name: str
    events: int
    share: float


@dataclass(frozen=True, eq=False)
class Example:
    """Hold a typical event with its picture and the words under it."""

    event: TypicalEvent
    time: str
    peak: str
    picture: Picture


@dataclass(frozen=True, eq=False)
class ClusterSection:
    """Hold what the page says about one cluster."""

    view: ClusterView
    colour: str
    share: float
    hours: str
    median_confidence: float | None
    median_snr: float | None
    thumbnail: str | None
    means: tuple[tuple[str, Picture], ...]
    examples: tuple[Example, ...]
    by_hour: Picture | None
    by_date: Picture | None
    stations: tuple[Share, ...]


def scale_of(data: ReportData) -> Scale:
    """Say what the axes and colours of the data's spectrograms mean."""
    lowest, highest = data.spectrogram_range
    return Scale(
        nyquist=data.sampling_rate / 2,
        start_s=-data.before_onset_s,
        end_s=data.window_s - data.before_onset_s,
        lowest=lowest,
        highest=highest,
        label=data.spectrogram_label,
    )


def sections(data: ReportData, colours: Mapping[int, str], *, bins: TimeBins | None) -> tuple[ClusterSection, ...]:
    """Describe and draw every cluster, the largest first; ``bins`` is None when there are no events."""
    scale = scale_of(data)
    return tuple(
        _section(data, view, colours[view.cluster], scale=scale, bins=bins) for view in data.largest_first
    )


def _section(
    data: ReportData, view: ClusterView, colour: str, *, scale: Scale, bins: TimeBins | None
) -> ClusterSection:
    members = data.cluster == view.cluster
    onsets = data.onset_ns[members]
    by_date, by_hour = _histograms(view, onsets, colour, bins=bins)
    return ClusterSection(
        view=view,
        colour=colour,
        share=view.events / max(1, len(data.onset_ns)),
        hours=words.hours(onsets),
        median_confidence=float(np.median(data.confidence[members])) if len(onsets) else None,
        median_snr=float(np.median(data.snr[members])) if len(onsets) else None,
        thumbnail=spectrograms.thumbnail(view.mean_spectrogram, scale),
        means=_means(view, scale) if len(onsets) else (),
        examples=tuple(_example(view, rank, scale) for rank in range(len(view.typical))),
        by_date=by_date,
        by_hour=by_hour,
        stations=_stations(data, members),
    )


def _histograms(
    view: ClusterView, onsets: NDArray[np.integer[Any]], colour: str, *, bins: TimeBins | None
) -> tuple[Picture | None, Picture | None]:
    """Draw a cluster's events by date and by hour of day; nothing for an empty cluster."""
    if bins is None or not len(onsets):
        return None, None
    layers = [(onsets, colour)]
    name = f"c{view.cluster}"
    label = f"of {words.plural(view.events, 'event')} of cluster {view.cluster}"
    return (
        histograms.by_date(layers, bins, f"{name}-dates", alt=f"Dates {label}"),
        histograms.by_hour(layers, f"{name}-hours", alt=f"Hours of day (UTC) {label}"),
    )


def _means(view: ClusterView, scale: Scale) -> tuple[tuple[str, Picture], ...]:
    """Draw the mean spectrogram of each component."""
    return tuple(
        (
            letter,
            spectrograms.component(
                view.mean_spectrogram[..., index],
                f"c{view.cluster}-mean-{letter}",
                scale=scale,
                alt=f"Mean spectrogram of cluster {view.cluster}, component {letter}",
            ),
        )
        for index, letter in enumerate(COMPONENTS)
    )


def _example(view: ClusterView, rank: int, scale: Scale) -> Example:
    event = view.typical[rank]
    return Example(
        event=event,
        time=f"{words.moment(event.onset_ns)} UTC",
        peak=words.peak(spectrograms.peak_counts(event.waveform)),
        picture=spectrograms.event(event, f"c{view.cluster}-event-{rank}", scale=scale),
    )


def _stations(data: ReportData, members: NDArray[np.bool_]) -> tuple[Share, ...]:
    """Count a cluster's events by station, the most first; the rest beyond a few in one line."""
    counts = np.bincount(data.station_index[members], minlength=len(data.stations))
    ordered = [int(index) for index in np.argsort(-counts, kind="stable") if counts[index]]
    total = max(1, int(counts.sum()))
    shown = ordered if len(ordered) <= MOST_STATIONS else ordered[: MOST_STATIONS - 1]
    shares = [Share(data.stations[i], int(counts[i]), int(counts[i]) / total) for i in shown]
    rest = sum(int(counts[i]) for i in ordered[len(shown) :])
    if rest:
        shares.append(Share(f"{len(ordered) - len(shown)} others", rest, rest / total))
    return tuple(shares)
