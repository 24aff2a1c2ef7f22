import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.dec.samples import (
    RUN,
    Subset,
    check_samples,
    count_batches,
    is_in_memory,
    read_batch,
    sequential_batches,
    shuffled_groups,
)
from couloir.errors import TrainingError


def shuffled_batches(count, batch, *, generator, skip=0, together=10**9):
    groups = shuffled_groups(count, batch, generator=generator, together=together, skip=skip)
    return (batch for group in groups for batch in group)


def take_epoch(count, batch, seed=0, epochs=1):
    batches = shuffled_batches(count, batch, generator=np.random.default_rng(seed))
    return [[next(batches) for _ in range(count_batches(count, batch))] for _ in range(epochs)]


@given(st.integers(1, 200), st.integers(1, 64))
def test_an_epoch_of_shuffled_batches_holds_every_sample_once(count, batch):
    first, second = take_epoch(count, batch, epochs=2)
    for epoch in (first, second):
        assert sorted(np.concatenate(epoch)) == list(range(count))
        assert all(len(indices) == batch for indices in epoch[:-1])


def test_each_epoch_has_an_order_of_its_own():
    first, second = take_epoch(64, 16, epochs=2)
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_mixes_samples_from_all_over_the_archive():
    batch = take_epoch(10_000, 100)[0][0]
    assert batch.max() - batch.min() > 8_000


def test_the_same_seed_gives_the_same_batches():
    for a, b in zip(take_epoch(50, 8, seed=3)[0], take_epoch(50, 8, seed=3)[0], strict=True):
        np.testing.assert_array_equal(a, b)


@given(st.integers(0, 200), st.integers(1, 64))
def test_sequential_batches_hold_every_sample_in_order(count, batch):
    parts = list(sequential_batches(count, batch))
    assert [index for part in parts for index in part] == list(range(count))
    assert len(parts) == count_batches(count, batch)


def test_batches_are_read_as_float32(recorder, samples):
    batch = read_batch(recorder, np.array([5, 2]))
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, samples[[5, 2]])


def test_sound_samples_pass(samples, settings):
    check_samples(samples, settings)


def test_too_few_samples_are_refused_with_what_was_found_and_needed(samples, settings):
    with pytest.raises(TrainingError, match=r"Found 5 spectrograms; 3 clusters .* at least 6\. .*on_factor"):
        check_samples(samples[:5], settings)


def test_samples_that_are_not_pictures_are_refused(settings):
    with pytest.raises(TrainingError, match=r"\(N, frequencies, times, components\).*\(20, 16\)"):
        check_samples(np.zeros((20, 16), np.float16), settings)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_counted_and_the_first_is_named(samples, settings, bad):
    spoilt = np.concatenate([samples] * 4)
    spoilt[[300, 17, 301], 0, 0, 1] = bad
    with pytest.raises(TrainingError, match=r"3 of 384 spectrograms hold NaN or infinite.*index 17"):
        check_samples(spoilt, settings)


@given(
    count=st.integers(1, 400),
    batch=st.integers(1, 15),
    skip=st.integers(0, 60),
    together=st.sampled_from([9, 90, 999]),
)
def test_skipped_batches_are_those_that_would_have_been_taken(count, batch, skip, together):
    def batches(skip):
        generator = np.random.default_rng(3)
        return shuffled_batches(count, batch, generator=generator, skip=skip, together=together)

    taken = [next(order) for order in [batches(0)] for _ in range(skip + 3)]
    rest = [next(order) for order in [batches(skip)] for _ in range(3)]
    for expected, found in zip(taken[skip:], rest, strict=True):
        np.testing.assert_array_equal(found, expected)


@given(count=st.integers(1, 99), batch=st.integers(1, 15), skip=st.integers(0, 30), until=st.integers(0, 40))
def test_batches_end_with_the_last_that_is_asked_for(count, batch, skip, until):
    groups = shuffled_groups(count, batch, generator=np.random.default_rng(3), together=30, skip=skip, until=until)
    assert sum(map(len, groups)) == max(until - skip, 0)


@given(count=st.integers(1, 3000), batch=st.integers(1, 200), together=st.integers(2, 1500))
def test_groups_of_a_large_archive_hold_every_sample_once_an_epoch_in_full_batches(count, batch, together):
    groups = shuffled_groups(count, batch, generator=np.random.default_rng(5), together=together)
    epoch = []
    while len(epoch) < count_batches(count, batch):
        group = next(groups)
        assert sum(map(len, group)) <= max(together, batch)
        epoch += group
    assert sorted(np.concatenate(epoch)) == list(range(count))
    assert all(len(indices) == batch for indices in epoch[:-1])


def test_a_group_of_a_large_archive_is_read_in_runs_from_all_over_it():
    groups = shuffled_groups(100_000, 256, generator=np.random.default_rng(5), together=8192)
    numbers = np.sort(np.concatenate(next(groups)))
    stretches = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    assert np.mean([len(stretch) for stretch in stretches]) >= RUN
    assert numbers.min() < 5_000
    assert numbers.max() > 95_000
    assert {len(set(batch // RUN)) > 50 for batch in next(groups)} == {True}  # mixed within the group


def test_a_subset_gives_the_samples_chosen_and_lies_where_they_lie(recorder, samples):
    some = Subset(samples, np.array([7, 3, 9]))
    assert (len(some), some.shape) == (3, (3, *samples.shape[1:]))
    np.testing.assert_array_equal(some[np.array([2, 0])], samples[[9, 7]])
    assert [is_in_memory(one) for one in (samples, some, recorder, Subset(recorder, np.array([1])))] == [
        True,
        True,
        False,
        False,
    ]
