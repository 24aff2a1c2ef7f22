import numpy as np
import pytest

from couloir.config import TrainConfig
from couloir.dec.holdout import hold_out
from couloir.dec.samples import Subset

TENTH = TrainConfig(clusters=3, holdout=0.1)


def test_a_tenth_is_held_out_and_nothing_is_lost_or_doubled():
    fit, held = hold_out(1000, TENTH)
    assert len(held) == 100
    np.testing.assert_array_equal(np.sort(np.concatenate([fit, held])), np.arange(1000))


def test_the_seed_decides_and_repeats_the_split():
    assert (hold_out(500, TENTH)[1] == hold_out(500, TENTH)[1]).all()
    assert (hold_out(500, TENTH)[1] != hold_out(500, TENTH.model_copy(update={"seed": 1}))[1]).any()


def test_groups_stay_together_and_exceed_the_share_never():
    groups = np.random.default_rng(0).integers(60, size=900)
    fit, held = hold_out(900, TENTH, groups)
    assert 60 < len(held) <= 90
    assert not set(groups[fit]) & set(groups[held])


def test_nothing_is_held_out_where_it_is_not_wanted_or_too_few_would_be_left():
    assert len(hold_out(1000, TrainConfig(holdout=0))[1]) == 0
    assert len(hold_out(6, TENTH)[1]) == 0
    assert len(hold_out(1000, TENTH, np.zeros(1000))[1]) == 0


def test_too_few_groups_are_refused():
    with pytest.raises(ValueError, match="one group for each of 100 samples"):
        hold_out(100, TENTH, np.zeros(99))


def test_a_subset_reads_only_what_is_asked_for(recorder, samples):
    view = Subset(recorder, np.array([3, 5, 8]))
    assert view.shape == (3, *samples.shape[1:])
    assert len(view) == 3
    np.testing.assert_array_equal(view[np.array([2, 0])], samples[[8, 3]])
    np.testing.assert_array_equal(recorder.asked[0], [8, 3])
