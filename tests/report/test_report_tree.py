import io
import re

import numpy as np
import pytest
from PIL import Image

from couloir.report import MergeView, render
from couloir.report.figures import tree
from couloir.report.figures.canvas import report_style
from couloir.report.figures.selection import Curve, draw_selection

MERGES = (MergeView(0, 2, 3, 0.1), MergeView(3, 1, 4, 0.6))

COLOURS = {0: "#112233", 1: "#445566", 2: "#778899"}


def draw(build, **changes):
    data = build(**changes)
    with report_style():
        return tree.merge_tree(
            MERGES, (0, 2, 1), data.clusters, {0: "#112233", 1: "#445566", 2: "#778899"}, name="t"
        )


def test_a_tree_names_its_clusters_by_class_number_and_size(build):
    data = build()
    svg = draw(build).svg
    for view in data.clusters:
        name = f"{view.majority_class} · " if view.majority_class else ""
        assert f"{name}{view.cluster} ({view.events})" in svg
    for colour in COLOURS.values():
        assert colour in svg


def test_a_merge_stands_at_its_height_and_an_outer_one_further_right(build):
    svg = draw(build).svg
    paths = [np.array(re.findall(r"-?[\d.]+", d), float).reshape(-1, 2) for d in re.findall(r'd="(M[^"z]+)"', svg)]
    inner, outer = (path for path in paths if len(path) == 4)
    left = inner[0, 0]
    assert (outer[1, 0] - left) / (inner[1, 0] - left) == pytest.approx(6, rel=0.01)
    assert outer[0].tolist() == pytest.approx([inner[1, 0], inner[[1, 2], 1].mean()], abs=0.1)


def test_its_words_say_what_merges_first(build):
    assert "0 and 2 at 10.0 %, then 3 and 1 at 60.0 %" in draw(build).alt


def test_the_page_shows_a_tree_where_there_is_one(build, read):
    assert "How the clusters nest" in read(render(build(merges=MERGES, leaves=(0, 2, 1)))).text
    assert "How the clusters nest" not in read(render(build())).text


def test_a_comparison_is_drawn_with_a_panel_a_criterion_even_without_a_value():
    curves = [
        Curve("Stability", [0.9, 0.8], [0.1, 0.1]),
        Curve("Silhouette", [None, 0.2]),
        Curve("Gap", [1.0, 2.0]),
    ]
    png = draw_selection([2, 3], curves, recommended=3)
    assert png == draw_selection([2, 3], curves, recommended=3)
    assert png != draw_selection([2, 3], curves, recommended=2)
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    height, width = pixels.shape
    panels = [
        pixels[: height // 2, : width // 2],
        pixels[: height // 2, width // 2 :],
        pixels[height // 2 :, : width // 2],
    ]
    assert all((panel < 128).mean() > 0.002 for panel in panels)
    assert (pixels[height // 2 :, width // 2 :] == 255).all()
