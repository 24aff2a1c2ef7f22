"""Draw spectrograms, and events as three waveforms above their spectrogram."""

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from couloir.report.data import TypicalEvent
from couloir.report.figures.canvas import Picture, blank, finish, place, png_uri
from couloir.report.palette import INK, MUTED_INK

COMPONENTS = ("E", "N", "Z")
ONSET_COLOUR = "#ffffff"
WAVE_COLUMNS = 300
_STRIP = 36  # from one waveform to the next, px
_REACH = 16  # from a waveform's mean to its peak, px
_SPECTROGRAM = 110
_LEFT, _RIGHT, _BOTTOM, _TOP = 34, 8, 30, 6
_WIDTH = 250
_LETTER: dict[str, Any] = {"ha": "right", "va": "center", "color": MUTED_INK}


@dataclass(frozen=True)
class Scale:
    """Say what a spectrogram's axes and colours mean.

    Parameters
    ----------
    nyquist
        Frequency at the top, Hz.
    start_s, end_s
        Time at the left and right, s after the onset.
    lowest, highest
        Values at the ends of the colour scale.
    label
        What the values are.
    """

    nyquist: float
    start_s: float
    end_s: float
    lowest: float
    highest: float
    label: str


def recorded(spectrogram: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Say which of the planes of a (frequencies, times, 3) spectrogram hold a record: not all 0 or NaN."""
    present: NDArray[np.bool_] = np.any(np.nan_to_num(spectrogram) != 0, axis=(0, 1))
    return present


def over_components(spectrogram: NDArray[np.floating[Any]]) -> NDArray[np.float64] | None:
    """Average a (frequencies, times, 3) spectrogram over the components that hold a record, if any does."""
    present = recorded(spectrogram)
    if not present.any():
        return None
    plane: NDArray[np.float64] = spectrogram[..., present].mean(axis=-1, dtype=np.float64)
    return plane


def thumbnail(spectrogram: NDArray[np.floating[Any]], scale: Scale) -> str | None:
    """Make a small inline PNG of a spectrogram averaged over its components; None without a record."""
    plane = over_components(spectrogram)
    if plane is None:
        return None
    rows, columns = (max(1, size // 64) for size in plane.shape)
    height, width = plane.shape[0] // rows, plane.shape[1] // columns
    small = plane[: height * rows, : width * columns].reshape(height, rows, width, columns).mean(axis=(1, 3))
    shade = np.clip((small - scale.lowest) / (scale.highest - scale.lowest), 0, 1)
    return png_uri(_colours()(shade[::-1], bytes=True))


def component(plane: NDArray[np.floating[Any]], name: str, *, scale: Scale, alt: str) -> Picture:
    """Draw one component's (frequencies, times) spectrogram with its axes."""
    figure = blank(_WIDTH, _SPECTROGRAM + _BOTTOM + _TOP)
    axes = place(figure, _LEFT, _BOTTOM, _RIGHT, _TOP)
    _fill(axes, plane, scale)
    return finish(figure, name, alt=alt)


def event(example: TypicalEvent, name: str, *, scale: Scale) -> Picture:
    """Draw an event: its three components in counts on one scale, above its mean spectrogram."""
    strips = len(COMPONENTS) * _STRIP
    figure = blank(_WIDTH, strips + _SPECTROGRAM + _BOTTOM + _TOP)
    _traces(place(figure, _LEFT, _BOTTOM + _SPECTROGRAM, _RIGHT, _TOP), example.waveform, scale)
    axes = place(figure, _LEFT, _BOTTOM, _RIGHT, _TOP + strips)
    plane = over_components(example.spectrogram)
    _fill(axes, plane, scale)
    alt = f"Waveform (E, N, Z) and spectrogram of event {example.event_id} at {example.station}"
    return finish(figure, name, alt=alt)


def peak_counts(waveform: NDArray[np.floating[Any]]) -> float | None:
    """Find the largest deviation from its component's mean in a (3, samples) waveform, if it has any."""
    peak = _centred(waveform)[1]
    return peak if np.isfinite(peak) else None


def colour_bar(scale: Scale, name: str) -> Picture:
    """Draw the key to the spectrograms' colours."""
    figure = blank(_WIDTH, 46)
    axes = place(figure, 10, 34, 10, 2)
    mappable = ScalarMappable(Normalize(scale.lowest, scale.highest), _colours())
    bar = figure.colorbar(mappable, cax=axes, orientation="horizontal", label=scale.label)
    bar.outline.set_visible(False)
    alt = f"Colour scale: dark is {scale.lowest:g}, light is {scale.highest:g} ({scale.label})"
    return finish(figure, name, alt=alt)


def _colours() -> Colormap:
    """Give magma in 64 steps: perceptually uniform, and its PNGs are small."""
    return matplotlib.colormaps["magma"].resampled(64)


def _fill(axes: Axes, plane: NDArray[np.floating[Any]] | None, scale: Scale) -> None:
    """Put a spectrogram, or the words that there is none, into axes of frequency and time."""
    axes.set(xlim=(scale.start_s, scale.end_s), ylim=(0, scale.nyquist))
    axes.set_xlabel("s after onset", labelpad=2)
    axes.set_ylabel("Hz", labelpad=1)
    axes.set_yticks([0, scale.nyquist / 2, scale.nyquist])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    if plane is None or not np.any(np.nan_to_num(plane)):
        axes.text(0.5, 0.5, "no record", transform=axes.transAxes, ha="center", va="center", color=MUTED_INK)
        return
    axes.imshow(
        plane,
        cmap=_colours(),
        norm=Normalize(scale.lowest, scale.highest),
        origin="lower",
        aspect="auto",
        extent=(scale.start_s, scale.end_s, 0, scale.nyquist),
        interpolation="none",  # the browser enlarges the pixels: nothing is invented and the file stays small
    )
    axes.axvline(0, color=ONSET_COLOUR, linewidth=0.8, linestyle=(0, (3, 3)))


def _traces(axes: Axes, waveform: NDArray[np.floating[Any]], scale: Scale) -> None:
    """Draw the three components as strips below each other, in a height counted in pixels."""
    axes.set_axis_off()
    axes.set(xlim=(scale.start_s, scale.end_s), ylim=(len(COMPONENTS) * _STRIP, 0))
    axes.axvline(0, color=MUTED_INK, linewidth=0.8, linestyle=(0, (3, 3)))
    centred, peak = _centred(waveform)
    for row, trace in enumerate(centred):
        middle = (row + 0.5) * _STRIP
        axes.text(scale.start_s - 0.04 * (scale.end_s - scale.start_s), middle, COMPONENTS[row], **_LETTER)
        if not np.isfinite(trace).any():
            centre = (scale.start_s + scale.end_s) / 2
            axes.text(centre, middle, "no record", ha="center", va="center", color=MUTED_INK)
            continue
        times, heights = _outline(trace, scale)
        axes.plot(times, middle - heights / (peak or 1) * _REACH, color=INK, linewidth=0.6)


def _centred(waveform: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], float]:
    """Take each component's mean away and find the largest deviation (NaN without a record)."""
    traces = np.asarray(waveform, dtype=np.float64)
    valid = np.isfinite(traces)
    samples = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    centred = traces - np.where(valid, traces, 0).sum(axis=1, keepdims=True) / samples
    return centred, float(np.max(np.abs(centred[valid]), initial=-1.0)) if valid.any() else float("nan")


def _outline(trace: NDArray[np.float64], scale: Scale) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thin a trace to the least and greatest value in each of :data:`WAVE_COLUMNS` columns."""
    times = np.linspace(scale.start_s, scale.end_s, len(trace), endpoint=False)
    step = len(trace) // WAVE_COLUMNS
    if step < 3:
        return times, trace
    columns = -(-len(trace) // step)
    padded = np.pad(trace, (0, columns * step - len(trace)), constant_values=np.nan).reshape(columns, step)
    extremes = np.stack([np.fmin.reduce(padded, axis=1), np.fmax.reduce(padded, axis=1)], axis=1)
    starts = times[::step]
    return np.stack([starts, starts + (times[step] - times[0]) / 2], axis=1).ravel(), extremes.ravel()
