"""Settings of detection: transients, their windows, and the spectrograms of these."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from couloir.config.section import Positive, Section, Share

Corners = tuple[Positive, Positive]


def _band_or_bands(value: Any) -> Any:
    """Tell a wrong band in one sentence: what is one, and what are several."""
    several = value if isinstance(value, list | tuple) and value else ()
    bands = several if several and all(isinstance(band, list | tuple) for band in several) else (several,)
    for band in bands:
        if len(band) != 2 or not all(
            isinstance(f, int | float) and not isinstance(f, bool) and f > 0 for f in band
        ):
            raise ValueError(
                f"{value!r} is no band: give two corners, [1, 45], or several bands, [[1, 5], [5, 45]]"
            )
    if len(set(map(tuple, bands))) < len(bands):
        raise ValueError(f"{value!r} holds a band twice")
    return value


Bands = Annotated[Corners | tuple[Corners, ...], BeforeValidator(_band_or_bands)]


class DetectConfig(Section):
    """How transients are found in a station-day."""

    sampling_rate: Positive = 100.0
    """Rate of the detection and of the stored windows, Hz; other recordings are resampled."""
    band: Bands = (1.0, 45.0)
    """Corners of the zero-phase band-pass, Hz; several, [[1, 5], [5, 45]], trigger each by its own noise."""
    filter_order: Annotated[int, Field(ge=1, le=10)] = 4
    """Order of the Butterworth band-pass, before it is run both ways."""
    envelope: Literal["vector", "vertical", "any"] = "vector"
    """`vector`: root sum of squares of the components; `vertical`: Z alone; `any`: each by itself."""
    on_factor: Positive = 12.0
    """A trigger begins where the envelope exceeds median + on_factor x MAD (raw MAD)."""
    off_factor: Positive = 5.0
    """A trigger ends where the envelope stays under median + off_factor x MAD for quiet_s."""
    noise_window_s: Annotated[float, Field(ge=60, le=86_400)] | None = None
    """Measure median and MAD in a window this long that runs over the day, s; over the whole day when null."""
    quiet_s: Annotated[float, Field(ge=0)] = 2.0
    """How long the envelope stays low before a trigger has ended, s."""
    merge_s: Annotated[float, Field(ge=0)] = 5.0
    """Triggers closer than this, end to onset, become one, s."""
    least_duration_s: Annotated[float, Field(ge=0)] = 0.5
    """Shorter triggers are dropped, s."""
    edge_s: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """Samples this close to a gap neither count nor trigger: the filter has not settled there, s."""
    window_s: Positive = 20.0
    """Length of an event's window, s."""
    before_onset_s: Annotated[float, Field(ge=0)] = 5.0
    """How much of the window precedes the onset, s."""
    min_valid_s: Positive = 600.0
    """A station-day with fewer valid seconds than this is `too_gappy`: its median means nothing."""
    max_windows: Annotated[int, Field(ge=1)] = 1_000
    """Most windows kept of one station-day, of its strongest triggers; a broken digitizer triggers all day."""
    min_window_coverage: Share = 0.75
    """A window that has fewer of its samples than this is not stored; the outcome counts it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for low, high in self.bands:
            if not low < high < self.sampling_rate / 2:
                raise ValueError(
                    f"band [{low:g}, {high:g}] must rise and stay below half the sampling rate "
                    f"({self.sampling_rate / 2:g} Hz)"
                )
        if self.off_factor > self.on_factor:
            raise ValueError(f"off_factor ({self.off_factor:g}) must not exceed on_factor ({self.on_factor:g})")
        if self.before_onset_s >= self.window_s:
            raise ValueError(
                f"before_onset_s ({self.before_onset_s:g}) must be less than window_s ({self.window_s:g})"
            )
        return self

    @property
    def bands(self) -> tuple[Corners, ...]:
        """The band-pass's corners, Hz, however many bands there are."""
        first = self.band[0]
        return (self.band,) if isinstance(first, float) else self.band  # type: ignore[return-value]

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        return round(self.window_s * self.sampling_rate)


class SpectrogramConfig(Section):
    """How a window becomes the network's input."""

    frequencies: Annotated[int, Field(ge=8, le=1024)] = 128
    """Frequency bins, from 0 Hz to Nyquist."""
    times: Annotated[int, Field(ge=8, le=1024)] = 128
    """Time frames over the window."""
    segment_s: Positive = 1.28
    """Length of the Hann-windowed segment of the short-time Fourier transform, s."""
    transform: Literal["boxcox", "log", "minmax", "none"] = "boxcox"
    """`boxcox`: Box-Cox by maximum likelihood, then standardised (published); `log`: log, then
    standardised; `minmax`: scaled to 0..1; `none`: the magnitudes."""
    missing_component: Literal["zero", "repeat"] = "zero"
    """`zero`: a missing component is a plane of zeros, its sample's mean; `repeat`: the vertical again."""
