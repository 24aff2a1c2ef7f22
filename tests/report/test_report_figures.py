"""Each figure shows the values it was given: right way up, right size, right words."""

import base64
import datetime as dt
import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from couloir.report import DayOutcome
from couloir.report.figures import canvas, coverage, histograms, latent, spectrograms, training
from couloir.report.figures.spectrograms import Scale
from couloir.report.palette import INK, STATUS_COLOURS
from couloir.report.timebins import time_bins

SCALE = Scale(nyquist=50.0, start_s=-5.0, end_s=15.0, lowest=-2.0, highest=3.0, label="magnitude")
FIRST = dt.date(2020, 1, 1)


@pytest.fixture(autouse=True)
def style():
    with canvas.report_style():
        yield


def pixels(address):
    return imread(io.BytesIO(base64.b64decode(address.split("base64,")[1])), format="png")


def paths(picture, read, colour):
    """Give the corner points of every closed shape in a fill colour."""
    found = [p for p in read(picture.svg).all("path") if f"fill: {colour}" in p.attributes.get("style", "")]
    shapes = " ".join(path.attributes["d"] for path in found).split("M")[1:]
    return [np.array(re.findall(r"-?[\d.]+", shape), dtype=float).reshape(-1, 2) for shape in shapes]


def area(corners):
    x, y = corners.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def texts(picture, read):
    return [element.text for element in read(picture.svg).all("text")]


def low_tone(*planes):
    """Make a spectrogram that is bright in its lowest quarter, in the given components only."""
    values = np.zeros((128, 128, 3), dtype=np.float32)
    for plane in planes:
        values[..., plane] = -2
        values[:32, :, plane] = 3
    return values


def test_thumbnail_has_low_frequencies_at_the_bottom():
    image = pixels(spectrograms.thumbnail(low_tone(0, 1, 2), SCALE))
    assert image.shape[:2] == (64, 64)
    assert image[-16:, :, :3].min() > 0.7
    assert image[:48, :, :3].max() < 0.1


def test_component_spectrogram_has_low_frequencies_at_the_bottom(read):
    picture = spectrograms.component(low_tone(2)[..., 2], "x", scale=SCALE, alt="a low tone")
    (image,) = read(picture.svg).all("image")
    drawn = pixels(image.attributes["xlink:href"])
    assert drawn.shape[:2] == (128, 128)
    *_, down, _, _ = map(float, re.findall(r"-?[\d.]+", image.attributes["transform"]))  # matrix(a b c d e f)
    flipped = down < 0
    assert drawn[0 if flipped else -1, 64, 0] > 0.7
    assert drawn[-1 if flipped else 0, 64, 0] < 0.1
    assert {"Hz", "s after onset", "0", "25", "50", "−5", "15"} <= set(texts(picture, read))


def test_mean_over_components_leaves_out_those_without_a_record():
    np.testing.assert_array_equal(spectrograms.over_components(low_tone(2)), low_tone(2)[..., 2])
    missing = low_tone(0, 1)
    missing[..., 2] = np.nan
    np.testing.assert_array_equal(spectrograms.over_components(missing), low_tone(0)[..., 0])
    assert spectrograms.over_components(low_tone()) is None
    assert spectrograms.thumbnail(low_tone(), SCALE) is None


def test_peak_is_the_largest_deviation_from_the_mean():
    waveform = np.full((3, 100), 5000.0)
    waveform[1, 50] += 100
    waveform[2] = np.nan
    assert spectrograms.peak_counts(waveform) == pytest.approx(99.0)
    assert spectrograms.peak_counts(np.full((3, 100), np.nan)) is None
    assert spectrograms.peak_counts(np.full((3, 100), 7.0)) == 0


def test_thinned_waveform_keeps_its_single_sample_spikes(build_event, read):
    waveform = np.zeros((3, 2000))
    waveform[2, 777] = 500.0
    picture = spectrograms.event(build_event(np.random.default_rng(0), waveform=waveform), "x", scale=SCALE)
    traces = [p for p in read(picture.svg).all("path") if f"stroke: {INK}" in p.attributes.get("style", "")]
    heights = [np.ptp([float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", p.attributes["d"])]) for p in traces]
    assert heights == pytest.approx([0, 0, 16], abs=0.2)  # px from the mean to the peak


def test_waveform_with_a_gap_is_drawn_around_it(build_event, read):
    waveform = np.random.default_rng(0).normal(size=(3, 2000))
    waveform[:, 500:900] = np.nan
    picture = spectrograms.event(build_event(np.random.default_rng(0), waveform=waveform), "x", scale=SCALE)
    assert "nan" not in picture.svg.lower().replace("base64", "").split()
    assert "no record" not in texts(picture, read)


def test_bars_of_a_histogram_are_as_high_as_the_counts(read):
    bins = time_bins(0, 9 * 86_400 * 10**9)
    onsets = np.array([0, 1, 2, 3, 86_400]) * 3600 * 10**9
    picture = histograms.by_date([(onsets[:1], "#112233"), (onsets[1:4], "#445566")], bins, "x", alt="some bars")
    (first,) = paths(picture, read, "#112233")
    (second,) = paths(picture, read, "#445566")
    assert area(second) == pytest.approx(3 * area(first), rel=0.01)


def test_layers_of_a_histogram_stand_on_each_other(read):
    onsets = np.array([5, 6, 7]) * 60 * 10**9
    picture = histograms.by_hour([(onsets[:1], "#112233"), (onsets[1:], "#445566")], "x", alt="one bar")
    (below,) = paths(picture, read, "#112233")
    (above,) = paths(picture, read, "#445566")
    bottom, top = below[:, 1].max(), below[:, 1].min()
    assert above[:, 1].min() == pytest.approx(bottom - 3 * (bottom - top), abs=0.05)


def test_hour_histogram_puts_each_event_at_its_utc_hour(read):
    onset = np.array([86_400 * 5 + 18 * 3600 + 5]) * 10**9
    (bar,) = paths(histograms.by_hour([(onset, "#112233")], "x", alt="one bar"), read, "#112233")
    width, left, right = histograms._WIDTH, histograms._MARGINS[0], histograms._MARGINS[2]
    raised = bar[bar[:, 1] < bar[:, 1].max(), 0]
    assert (raised.mean() - left) / (width - left - right) * 24 == pytest.approx(18.5, abs=0.02)


def test_map_names_each_cluster_once(read):
    points = np.random.default_rng(0).normal(size=(50, 2))
    picture = latent.latent_map(
        points, np.arange(50) % 4 - 1, {0: "#112233", 1: "#223344", 2: "#334455"}, name="x"
    )
    labels = texts(picture, read)
    assert labels == ["0", "1", "2"]
    assert "50 events" in picture.alt


def log(**columns):
    rows = len(next(iter(columns.values())))
    base = {"phase": np.array(["cluster"] * rows), "step": np.arange(rows)}
    return base | {name: np.asarray(values, dtype=float) for name, values in columns.items()}


def test_curves_are_drawn_only_for_columns_with_values():
    drawn = training.curves(log(kl=[0.3, 0.2, 0.1], reconstruction=[np.nan, np.nan, 1.0]), tolerance=None)
    assert [heading for heading, _ in drawn] == ["Clustering: KL divergence"]
    assert training.curves({}, tolerance=None) == ()
    assert training.curves(log(loss=[3, 2, 1]), tolerance=None) == ()


def test_curve_says_where_it_began_and_ended():
    ((_, picture),) = training.curves(log(changed=[np.nan, 0.25, 0.05, 0.0]), tolerance=0.001)
    assert picture.alt == "Clustering: labels changed, %: from 25 % at the start to 0 % at the end"


def test_tolerance_is_drawn_beside_the_label_change(read):
    def lines(tolerance):
        ((_, picture),) = training.curves(log(changed=[0.3, 0.03, 0.003]), tolerance=tolerance)
        return [p for p in read(picture.svg).all("path") if "dasharray" in p.attributes.get("style", "")]

    assert len(lines(0.01)) == len(lines(None)) + 1


def test_labels_that_never_changed_are_drawn():
    ((_, picture),) = training.curves(log(changed=[0.0, 0.0, 0.0]), tolerance=None)
    assert "nan" not in picture.svg.lower().split()


def days(statuses, station="GG.LH01.10.EH"):
    return [DayOutcome(station, FIRST + dt.timedelta(days=i), status, 0, "") for i, status in enumerate(statuses)]


@pytest.mark.parametrize(("count", "unit"), [(1, "day"), (60, "day"), (200, "week"), (1096, "month")])
def test_columns_of_the_station_day_matrix_suit_the_period(count, unit):
    assert coverage.matrix(days(["ok"] * count), "x")[0] == unit


@pytest.mark.parametrize("count", [30, 1092])
def test_area_of_each_outcome_is_its_share_of_the_station_days(read, count):
    _, picture = coverage.matrix(days(["ok", "ok", "failed"] * (count // 3)), "x")
    areas = {
        status: sum(area(shape) for shape in paths(picture, read, STATUS_COLOURS[status]))
        for status in ("ok", "failed")
    }
    assert areas["ok"] == pytest.approx(2 * areas["failed"], rel=0.03)


def test_cells_of_the_station_day_matrix_fill_their_places(read):
    _, picture = coverage.matrix(days(["ok"] * 30), "x")
    cells = paths(picture, read, STATUS_COLOURS["ok"])
    corners = np.concatenate(cells)
    filled = sum(area(cell) for cell in cells) / np.prod(np.ptp(corners, axis=0))
    assert 0.85 < filled < 0.95  # all but the white lines between the days
    assert np.ptp(corners[:, 1]) == pytest.approx(18 * 0.88, abs=0.05)


def test_station_days_that_were_not_planned_stay_white(read):
    sparse = days(["ok"] * 30) + days(["ok"] * 10, station="GG.LH02.10.EH")
    shapes = paths(coverage.matrix(sparse, "x")[1], read, STATUS_COLOURS["ok"])
    assert len(shapes) == 40


def test_picture_has_no_size_metadata_or_shared_ids(read):
    figure = canvas.blank(100, 50)
    canvas.place(figure, 10, 10, 10, 10).plot([0, 1], [0, 1], marker="o")
    first, second = (canvas.finish(figure, name, alt="a line") for name in ("a", "b"))
    (root,) = read(first.svg).children
    assert root.attributes == {"viewbox": "0 0 100 50"}
    assert first.width == 100
    ids = [{e.attributes["id"] for e in read(p.svg).walk() if "id" in e.attributes} for p in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "metadata" not in first.svg
