"""The report says at its top what a reader should know of the training."""

import json

import numpy as np
import pytest
from trainee import config_of

from couloir.dec.consensus import find_consensus
from couloir.stages.comparison import FOLDER, Row, Selection, write_selection
from couloir.stages.report import _choice_warning, _seeds_in_words, _training_warnings
from couloir.stages.seeds import describe
from couloir.stages.settings import output_of
from couloir.store.location import Location
from couloir.store.sealed import seal


def test_collapse_and_notes_of_the_training_stand_at_the_top(tmp_path):
    told = {
        "collapse": ["all events are in one cluster"],
        "notes": ["memory ran out with batches of 256: trained with batches of 128"],
    }
    (tmp_path / "metrics.json").write_text(json.dumps(told))
    assert _training_warnings(Location(str(tmp_path)) / "metrics.json") == (
        "The clustering collapsed: all events are in one cluster.",
        "Memory ran out with batches of 256: trained with batches of 128.",
    )


def test_a_model_without_metrics_has_nothing_to_say(tmp_path):
    assert _training_warnings(Location(str(tmp_path)) / "metrics.json") == ()


def compared(config, *, tuning_ari):
    """Write a comparison that recommends 4 clusters."""
    rows = tuple(
        Row(
            clusters=clusters,
            stability=0.9,
            stability_error=0.01,
            weakest=0.9,
            weakest_error=0.01,
            silhouette=0.5,
            gap=1.0,
            gap_error=0.1,
            centroid_error=0.5,
            tuning_ari=tuning_ari,
        )
        for clusters in (3, 4)
    )
    write_selection(output_of(config) / FOLDER, Selection(rows, 4, "", None, 0.4))


@pytest.mark.parametrize(
    ("clusters", "tuning_ari", "scored", "warned"),
    [(3, 0.8, True, True), (4, 0.8, True, False), (3, None, True, False), (3, 0.8, False, False)],
)
def test_scores_on_labels_that_may_have_chosen_the_clusters_are_called_flattered(
    tmp_path, clusters, tuning_ari, scored, warned
):
    config = config_of(tmp_path, clusters=clusters)
    assert _choice_warning(config, scored=scored) == ()
    compared(config, tuning_ari=tuning_ari)
    told = _choice_warning(config, scored=scored)
    assert bool(told) == warned
    if warned:
        assert "There are 3 clusters, where --select-k recommends 4" in told[0]


def test_labels_have_chosen_no_clusters_of_an_imported_model(tmp_path):
    config = config_of(tmp_path, clusters=3)
    compared(config, tuning_ari=0.8)
    assert _choice_warning(config, scored=True)
    mark = {"model_id": "x", "imported": "of-a-file"}
    (output_of(config) / "model" / "complete.json").write_bytes(seal({"made_from": mark, "files": {}}))
    assert _choice_warning(config, scored=True) == ()


def test_the_seeds_are_told_with_the_one_that_gave_the_model(tmp_path):
    config = config_of(tmp_path, clusters=2, seeds=[42, 43, 44])
    assert _seeds_in_words(config) == f"seed {config.train.seed}"
    labels = [np.array(each, np.int32) for each in ([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1])]
    held = describe(find_consensus(labels, 2), config.train)
    (output_of(config) / "model" / "stability.json").write_text(json.dumps(held))
    assert _seeds_in_words(config) == "seeds 42, 43, 44, of which 43 gave the model"
