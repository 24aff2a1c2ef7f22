"""Colours are one a cluster, and text is dark enough to read."""

import pytest
from matplotlib.colors import to_rgb

from couloir.report import STATUSES, palette


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_forty_clusters_have_forty_colours():
    colours = palette.cluster_colours(range(40))
    assert len(set(colours.values())) == 40
    assert palette.UNASSIGNED not in colours.values()


def test_first_clusters_take_the_most_distinct_colours():
    assert palette.cluster_colours([7, 3])[7] == palette.BASE[0]


def test_any_number_of_clusters_has_colours():
    assert len(palette.cluster_colours(range(200))) == 200


@pytest.mark.parametrize("colour", [palette.INK, palette.MUTED_INK, palette.ACCENT])
def test_text_has_the_contrast_that_wcag_aa_asks_for(colour):
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_every_outcome_has_a_colour_and_a_word_of_its_own():
    for table in (palette.STATUS_COLOURS, palette.STATUS_WORDS):
        assert tuple(table) == STATUSES
        assert len(set(table.values())) == len(STATUSES)
