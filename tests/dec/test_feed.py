"""Batches are the same wherever the samples lie: in memory, on the accelerator, or in storage."""

import threading
from itertools import islice

import numpy as np
import pytest

from couloir.dec.feed import STEPS, Feed, read_ahead
from couloir.dec.resident import make_resident
from couloir.dec.samples import sequential_batches, shuffled_groups


def groups(samples, batch=20, together=40):
    return shuffled_groups(len(samples), batch, generator=np.random.default_rng(1), together=together)


def batches_of(drawn):
    """Give the images of each step of what was drawn."""
    table = np.asarray(drawn.table)
    return [table[places] for places in drawn.places[: len(drawn.indices)]]


def test_batches_are_the_same_in_memory_in_storage_and_on_the_accelerator(samples, recorder):
    wanted = [samples[batch] for group in islice(groups(samples), 9) for batch in group]
    for held in (samples, recorder, make_resident(samples)):
        feed, found = Feed(held, groups(samples)), []
        while len(found) < len(wanted):
            drawn = feed.draw(3)
            for indices, images in zip(drawn.indices, batches_of(drawn), strict=True):
                np.testing.assert_array_equal(images, samples[indices])
                found.append(images)
        for one, other in zip(wanted, found, strict=False):
            np.testing.assert_array_equal(one, other)


def test_on_the_accelerator_steps_are_drawn_together_but_for_the_short_one_of_an_epoch(samples):
    feed = Feed(make_resident(samples), groups(samples, together=100))
    drawn = [feed.draw(3) for _ in range(4)]
    assert [one.indices.shape for one in drawn] == [(3, 20), (1, 20), (1, 16), (3, 20)]
    assert [one.places.shape for one in drawn] == [(STEPS, 20), (1, 20), (1, 16), (STEPS, 20)]
    assert Feed(make_resident(samples), groups(samples, batch=1)).draw(10**6).indices.shape == (STEPS, 1)


def test_samples_in_storage_are_read_a_group_at_once_and_one_group_ahead(samples, recorder):
    reading = read_ahead(recorder, groups(samples))
    next(reading)
    next(reading)
    assert 1 <= len(recorder.asked) <= 2
    first, *_ = recorder.asked
    assert len(first) == 40
    assert (np.diff(first) > 0).all()
    next(reading)
    assert 2 <= len(recorder.asked) <= 3
    reading.close()


def test_a_group_is_read_while_the_one_before_it_is_used(samples):
    may_read = threading.Semaphore(1)

    class Slow:
        shape = samples.shape

        def __len__(self):
            return len(samples)

        def __getitem__(self, indices):
            assert may_read.acquire(timeout=10)
            return samples[indices]

    reading = read_ahead(Slow(), groups(samples))
    assert len(next(reading)[0]) == 20  # the second group waits, the first is given
    assert len(next(reading)[0]) == 20
    may_read.release()
    assert len(next(reading)[0]) == 20
    may_read.release()
    reading.close()


def test_a_reader_that_fails_is_heard(samples):
    class Gone:
        shape = samples.shape

        def __len__(self):
            return len(samples)

        def __getitem__(self, indices):
            raise OSError("the bucket is away")

    with pytest.raises(OSError, match="the bucket is away"):
        next(read_ahead(Gone(), groups(samples)))


def test_a_feed_ends_with_its_batches_and_reads_nothing_after_its_context(samples, recorder):
    for held in (samples, recorder, make_resident(samples)):
        some = shuffled_groups(96, 20, generator=np.random.default_rng(1), together=40, skip=2, until=9)
        with Feed(held, some) as feed:
            drawn = 0
            while drawn < 7:
                drawn += len(feed.draw(50).indices)
        assert drawn == 7
    with Feed(recorder, groups(samples)) as feed:
        feed.draw(1)
    asked = len(recorder.asked)
    with pytest.raises(StopIteration):
        feed.draw(1)
    assert len(recorder.asked) <= asked + 1  # one was under way


def test_reading_ends_with_the_batches(samples, recorder):
    some = [list(sequential_batches(96, 30))]
    for held in (samples, recorder):
        found = list(read_ahead(held, some))
        np.testing.assert_array_equal(np.concatenate([images for _, images in found]), samples)
        assert list(read_ahead(held, [])) == []
