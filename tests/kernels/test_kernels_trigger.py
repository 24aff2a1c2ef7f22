import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from couloir.kernels.trigger import (
    Trigger,
    TriggerRule,
    find_triggers,
    intersect_runs,
    true_runs,
    window_starts,
)

masks = st.lists(st.booleans(), max_size=80).map(lambda held: np.array(held, bool))
rules = st.builds(TriggerRule, quiet=st.integers(0, 5), merge=st.integers(0, 6), least=st.integers(0, 5))


@st.composite
def days(draw):
    """A valid mask with gaps, and the samples over the off and over the on threshold."""
    levels = np.array(draw(st.lists(st.sampled_from([-1, 0, 0, 1, 1, 2]), max_size=80)), int)
    return levels >= 0, levels >= 1, levels >= 2


def plain_triggers(valid, off, on, rule):
    """Walk through the samples one by one."""
    found, onset, end, low = [], None, 0, 0
    for position in range(len(valid) + 1):
        inside = position < len(valid) and valid[position]
        if inside and onset is None and on[position]:
            onset, end, low = position, position + 1, 0
        elif inside and onset is not None:
            if off[position]:
                end, low = position + 1, 0
            else:
                low += 1
        if onset is not None and (not inside or low > rule.quiet):
            found.append([onset, end])
            onset = None
    merged = []
    for onset, end in found:
        if merged and onset - merged[-1][1] <= rule.merge and valid[merged[-1][1] : onset].all():
            merged[-1][1] = end
        else:
            merged.append([onset, end])
    return [Trigger(onset, end) for onset, end in merged if end - onset >= rule.least]


@given(masks)
def test_true_runs_cover_the_true_samples_and_no_others(mask):
    runs = true_runs(mask)
    rebuilt = np.zeros(len(mask), bool)
    for first, last in runs:
        assert last > first
        rebuilt[first:last] = True
    assert np.array_equal(rebuilt, mask)
    assert (runs[1:, 0] > runs[:-1, 1]).all()
    assert runs.dtype == np.int64
    assert runs.shape == (len(runs), 2)


@settings(max_examples=600)
@given(pair=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80))
def test_intersected_runs_are_the_runs_of_both_masks_together(pair):
    one, other = (np.array([both[k] for both in pair], bool) for k in (0, 1))
    np.testing.assert_array_equal(intersect_runs(true_runs(one), true_runs(other)), true_runs(one & other))


@given(days(), rules)
def test_triggers_are_those_of_a_walk_through_the_samples(day, rule):
    valid, off, on = day
    found = find_triggers(np.flatnonzero(on), np.flatnonzero(off), true_runs(valid), rule)
    assert found == plain_triggers(valid, off, on, rule)


@settings(max_examples=300)
@given(days(), rules)
def test_no_trigger_crosses_a_gap(day, rule):
    valid, off, on = day
    for trigger in find_triggers(np.flatnonzero(on), np.flatnonzero(off), true_runs(valid), rule):
        assert valid[trigger.onset : trigger.end].all()
        assert on[trigger.onset]
        assert off[trigger.end - 1]


def test_quiet_must_be_exceeded_and_merge_reached():
    runs = np.array([[0, 100]])
    off = np.array([10, 13, 20])
    rule = TriggerRule(quiet=2, merge=6, least=0)
    assert find_triggers(off, off, runs, rule) == [Trigger(10, 21)]
    apart = TriggerRule(quiet=1, merge=5, least=0)
    assert find_triggers(off, off, runs, apart) == [Trigger(10, 14), Trigger(20, 21)]


@given(
    onset=st.integers(-50, 50), duration=st.integers(1, 200), before=st.integers(0, 19), length=st.integers(20, 60)
)
def test_windows_follow_each_other_while_enough_of_the_trigger_is_left(onset, duration, before, length):
    trigger = Trigger(onset, onset + duration)
    starts = window_starts(trigger, before=before, length=length)
    assert starts[0] == onset - before
    assert (np.diff(starts) == length).all()
    left = [trigger.end - (start + length) for start in starts]
    assert all(rest >= max(before, 1) for rest in left[:-1])
    assert left[-1] < max(before, 1)


def test_a_trigger_that_just_fills_its_window_has_one():
    assert window_starts(Trigger(0, 1_500), before=500, length=2_000) == [-500]
    assert window_starts(Trigger(0, 1_999), before=500, length=2_000) == [-500]
    assert window_starts(Trigger(0, 2_000), before=500, length=2_000) == [-500, 1_500]
