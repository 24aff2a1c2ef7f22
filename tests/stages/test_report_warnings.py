"""The report says at its top what a reader should know of the training."""

import json

from couloir.stages.report import _training_warnings
from couloir.store.location import Location


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
