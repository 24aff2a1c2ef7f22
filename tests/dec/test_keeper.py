import pytest
from checkpoints import Memory

from couloir.dec import keeper
from couloir.dec.checkpoint import pack, unpack
from couloir.dec.keeper import Keeper
from couloir.errors import CouloirWarning


class Clock:
    """A clock that moves when it is told to."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(keeper, "time", clock)
    return clock


@pytest.fixture
def slow(clock):
    """A place that takes 30 s to write to."""

    class Slow(Memory):
        def write_bytes(self, data):
            clock.now += 30
            super().write_bytes(data)

    return Slow()


def follow(keeper, **parts):
    for name, part in parts.items():
        keeper.follow(name, lambda part=part: part)
    return keeper


def test_a_checkpoint_is_written_once_it_is_due_and_not_before(clock):
    place = Memory()
    keeper = follow(Keeper([place], every_s=60), steps=1)
    for seconds, written in ((59, 0), (1, 1), (1, 1), (58, 1), (1, 2)):
        clock.now += seconds
        keeper.pause()
        assert len(place.history) == written


def test_writing_takes_no_more_than_a_tenth_of_the_time_however_slow_the_place(clock, slow):
    keeper = follow(Keeper([slow], every_s=60), steps=1)
    clock.now += 60
    keeper.pause()
    for _ in range(29):
        clock.now += 10
        keeper.pause()
    assert len(slow.history) == 1
    clock.now += 10
    keeper.pause()
    assert len(slow.history) == 2


def test_places_are_written_in_turn_so_that_one_always_stands(clock):
    places = [Memory(), Memory()]
    keeper = follow(Keeper(places), steps=1)
    for _ in range(4):
        keeper.save()
    assert [[unpack(data)["number"] for data in place.history] for place in places] == [[1, 3], [2, 4]]


def test_a_place_that_could_not_be_written_is_the_next_one_to_be_tried(clock):
    class Broken(Memory):
        def write_bytes(self, data):
            self.history.append(data)
            raise OSError("no space left")

    good, broken = Memory(), Broken()
    keeper = follow(Keeper([good, broken]), steps=1)
    keeper.save()
    for _ in range(2):
        with pytest.warns(CouloirWarning, match=r"no space left. Training goes on and tries again in 60 s"):
            keeper.save()
    assert (len(good.history), len(broken.history)) == (1, 2)


def test_what_is_forgotten_is_not_kept_and_nothing_is_written_once_all_is_released():
    place = Memory()
    keeper = follow(Keeper([place]), one=1, two=2)
    keeper.forget("one")
    keeper.save()
    assert "one" not in unpack(place.data)
    keeper.release()
    keeper.save()
    assert len(place.history) == 1


def test_a_stop_is_kept_first_and_what_was_raised_goes_on():
    place = Memory()

    def stop():
        raise KeyboardInterrupt("told to end")

    with pytest.raises(KeyboardInterrupt, match="told to end"):
        follow(Keeper([place], check_stop=stop), steps=3).pause()
    assert unpack(place.data)["steps"] == 3


def test_without_places_nothing_is_kept_and_nothing_found():
    keeper = follow(Keeper(), steps=1)
    keeper.save()
    assert keeper.load({}) == {}


@pytest.mark.parametrize(
    "state", [{}, {"identity": {}}, {"identity": 3, "number": 1}, {"identity": {}, "number": "x"}]
)
def test_a_sound_file_that_is_no_checkpoint_is_called_damaged(state):
    with pytest.warns(CouloirWarning, match="is damaged"):
        assert Keeper([Memory(pack(state))]).load({}) == {}


def test_a_place_that_cannot_be_read_is_an_error_and_no_reason_to_begin_again():
    class Away(Memory):
        def read_bytes(self):
            raise OSError("the bucket is away")

    with pytest.raises(OSError, match="the bucket is away"):
        Keeper([Away()]).load({})
