"""The agreement of several seeds on the page: the data's own numbers, and nothing where there was one training."""

import pytest

from couloir.report import StabilityView, render

ARI = ((1.0, 0.9, 0.5), (0.9, 1.0, 0.7), (0.5, 0.7, 1.0))
MATCHED = ((1.0, 0.95, 0.75), (0.95, 1.0, 0.85), (0.75, 0.85, 1.0))
SHARES = (0.98, None)


@pytest.fixture
def page(build, read):
    def make(**changes):
        held = StabilityView((7, 8, 42), 8, ARI, MATCHED, 0.7, 0.85, 0.6, SHARES)
        return read(render(build(**({"stability": held} | changes))))

    return make


def rows(table):
    return [[cell.text for cell in row.children] for row in table.one("tbody").all("tr")]


def test_each_pair_stands_in_the_matrix_with_the_seeds_own_means(page):
    matrix = page().one("section", id="seeds").all("table")[0]
    assert rows(matrix) == [
        ["7", "–", "0.90", "0.50", "0.70", "85 %"],
        ["8 (model)", "0.90", "–", "0.70", "0.80", "90 %"],
        ["42", "0.50", "0.70", "–", "0.60", "80 %"],
    ]
    shades = [cell.attributes.get("style") for cell in matrix.one("tbody").all("td")][:3]
    assert shades == [None, "background:rgba(31,95,153,0.45)", "background:rgba(31,95,153,0.25)"]


def test_each_cluster_has_its_agreement_and_one_without_events_a_dash(page, build):
    table = page().one("section", id="seeds").all("table")[1]
    told = {row[0].split()[0]: row[1] for row in rows(table)}
    assert told == {"0": "98 %", "1": "–", "2": "–"}
    assert [row[0].split()[0] for row in rows(table)] == [str(v.cluster) for v in build().largest_first]


def test_the_sentence_gives_the_means_and_the_models_seed(page):
    text = page().one("section", id="seeds").text
    for told in ("3 trainings", "0.700 on average", "85 % of events in matched", "seed 8,"):
        assert told in text


def test_a_model_that_was_trained_once_has_no_such_section(page):
    alone = page(stability=None)
    assert not alone.all("section", id="seeds")
    assert not alone.all("a", href="#seeds")
    assert page().all("a", href="#seeds")


def test_disagreement_below_chance_has_no_shade(page):
    held = StabilityView((1, 2), 1, ((1.0, -0.1), (-0.1, 1.0)), ((1.0, 0.5), (0.5, 1.0)), -0.1, 0.5, 0.2, (0.6,))
    matrix = page(stability=held).one("section", id="seeds").all("table")[0]
    assert "rgba(31,95,153,0.00)" in matrix.one("tbody").all("td")[1].attributes["style"]
