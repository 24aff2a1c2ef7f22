"""A training that is cut off at any step and goes on from its checkpoint ends as if nothing had happened.

Each of some hundred trainings would have its steps compiled anew, which takes most of its time: with TensorFlow
all but those of one test go without.
"""

import itertools
import math

import keras
import numpy as np
import pytest
from checkpoints import Memory, result_of

from couloir.dec.augment import Augmenter
from couloir.dec.checkpoint import pack, unpack
from couloir.dec.keeper import Keeper
from couloir.dec.networks import build_autoencoder
from couloir.dec.optimizers import Descent
from couloir.dec.pretrain import Denoiser
from couloir.dec.steps import StepRunner
from couloir.dec.training import train
from couloir.errors import CouloirWarning

STEPS = 3 * 2 + 7  # three epochs of two batches, then seven iterations


class Stopped(BaseException):
    """What the caller raises to end a training."""


@pytest.fixture(scope="module")
def compile_steps():
    """Say whether TensorFlow is to compile steps; other backends always do."""
    if keras.backend.backend() != "tensorflow":
        return lambda wanted: None
    import tensorflow as tf

    return lambda wanted: tf.config.run_functions_eagerly(not wanted)


@pytest.fixture(scope="module", autouse=True)
def _uncompiled(compile_steps):
    compile_steps(False)
    yield
    compile_steps(True)


@pytest.fixture(scope="module")
def tiny(settings):
    """Settings of a training of a second: batches that do not divide the samples, renewals amid an epoch."""
    changes = {"batch": 20, "epochs": 3, "update_interval": 3, "max_iterations": 7, "filters": (2,), "latent": 2}
    return settings.model_copy(update=changes)


@pytest.fixture(scope="module")
def few(samples):
    return samples[:33]


@pytest.fixture(scope="module")
def whole(few, tiny, tmp_path_factory):
    """What an undisturbed training comes to, without any checkpoint."""
    folder = tmp_path_factory.mktemp("whole")
    return result_of(train(few, tiny, folder=folder), folder)


@pytest.fixture(scope="module")
def history(few, tiny, whole, tmp_path_factory):
    """The checkpoints of every step, in order, of a training that was not stopped."""
    folder, place = tmp_path_factory.mktemp("kept"), Memory()
    kept = train(few, tiny, folder=folder, keeper=Keeper([place], every_s=0))
    assert result_of(kept, folder) == whole
    return place.history


@pytest.fixture
def go(few, tiny, tmp_path):
    """Train with a keeper and give what it comes to."""

    def run(keeper, **options):
        return result_of(train(few, tiny, folder=tmp_path, keeper=keeper, **options), tmp_path)

    return run


def steps_of(state):
    runner = state["joint"]["runner"] if "joint" in state else state["pretrain"]
    return ("cluster" if "joint" in state else "pretrain"), runner["done"]


def test_there_is_a_checkpoint_of_every_step_and_of_each_side_of_a_renewal(history):
    steps = [steps_of(unpack(data)) for data in history]
    assert sorted(set(steps), reverse=True) == sorted(
        [("pretrain", step) for step in range(1, 7)] + [("cluster", step) for step in range(8)], reverse=True
    )
    assert not any({"joint", "pretrain"} <= set(unpack(data)) for data in history)
    renewals = [state["joint"]["renewals"] for state in map(unpack, history) if "joint" in state]
    assert renewals[0] == 1
    assert renewals[-1] == 4


@pytest.mark.slow
def test_every_checkpoint_leads_to_the_same_weights_labels_and_log(history, go, whole):
    for number, data in enumerate(history):
        assert go(Keeper([Memory(data)])) == whole, f"checkpoint {number}: {steps_of(unpack(data))}"


@pytest.mark.slow
def test_a_training_stopped_after_every_single_step_comes_to_the_same(go, whole):
    place, moved = Memory(), []
    stops = 0

    def note(phase, done, total, message):
        if phase in ("pretrain", "cluster") and not message.startswith(("going", "done")):
            moved.append(done)

    def stop_once_moved():
        if moved:
            raise Stopped

    def finish():
        moved.clear()
        try:
            return go(Keeper([place], every_s=math.inf, check_stop=stop_once_moved), progress=note)
        except Stopped:
            return None

    while (result := finish()) is None:
        stops += 1
        assert stops <= STEPS
    assert result == whole
    assert stops == STEPS


def what_counts(state):
    """Leave out of a state what differs from run to run: seconds, and how many checkpoints there were before."""
    log = {
        name: [row.rsplit(",", 1)[0] for row in value.splitlines()] if name == "text" else value
        for name, value in state["log"].items()
        if name != "seconds"
    }
    return pack({**state, "log": log, "number": 0})


@pytest.mark.slow
def test_a_stop_anywhere_renewals_and_assignment_included_leaves_one_of_these_checkpoints(history, go):
    known, left = {what_counts(unpack(data)) for data in history}, set()
    for asked in itertools.count(1):
        place, calls = Memory(), iter(range(1, 1000))

        def stop():
            if next(calls) == asked:  # noqa: B023
                raise Stopped

        try:
            go(Keeper([place], every_s=math.inf, check_stop=stop))
        except Stopped:
            left |= {what_counts(unpack(place.data))} if place.data else set()
        else:
            break
        assert left <= known, f"stopped at {asked}"
    assert asked > STEPS + 6  # beside the steps: batches of k-means, of four renewals and of the assignment
    assert len(left) > STEPS


def test_compiled_steps_go_on_as_others_do(few, tiny, tmp_path, compile_steps):
    compile_steps(True)
    place = Memory()
    whole = result_of(train(few, tiny, folder=tmp_path, keeper=Keeper([place], every_s=0)), tmp_path)
    for phase, step in (("pretrain", 3), ("cluster", 4)):
        keeper = Keeper([Memory(pack(take(place.history, phase, step)))])
        assert result_of(train(few, tiny, folder=tmp_path, keeper=keeper), tmp_path) == whole
    compile_steps(False)


@pytest.mark.parametrize("every", [1, 3, 5])
def test_a_crash_in_any_step_loses_only_what_came_after_the_checkpoint(every, go, whole):
    places, lost = [Memory(), Memory()], []

    class Sparse(Keeper):
        paused = 0

        def pause(self):
            self.paused += 1
            if self.paused % every == 0:
                self.save()

    for crash in range(1, STEPS, every + 1):
        reached = 0

        def die(phase, done, total, message):
            nonlocal reached
            step = {"pretrain": done, "k-means": 6, "cluster": 6 + done, "assign": STEPS}[phase]
            reached = max(reached, step)
            if step >= crash and not message.startswith(("going", "done")):  # noqa: B023
                raise Stopped

        with pytest.raises(Stopped):
            go(Sparse(places), progress=die)
        lost.append(reached)
    assert lost == sorted(lost)
    assert go(Sparse(places)) == whole


def test_the_end_of_each_phase_is_kept_whatever_the_interval_and_the_assignment_adds_nothing(go):
    place, phases = Memory(), []

    def stop():
        if "assign" in phases:
            raise Stopped

    with pytest.raises(Stopped):
        go(Keeper([place], every_s=math.inf, check_stop=stop), progress=lambda phase, *_: phases.append(phase))
    steps = [steps_of(unpack(data)) for data in place.history]
    assert steps == [("pretrain", 6), ("cluster", 0), ("cluster", 7)]


def test_steps_and_remark_tell_that_training_goes_on(history, go):
    told = []
    at = [steps_of(unpack(data)) for data in history]
    go(Keeper([Memory(history[at.index(("pretrain", 3))])]), progress=lambda *report: told.append(report))
    assert told[:2][0] == ("pretrain", 3, 6, "going on from epoch 2")
    assert told[1][1] == 4
    told.clear()
    go(Keeper([Memory(history[at.index(("cluster", 4))])]), progress=lambda *report: told.append(report))
    assert told[:2] == [("pretrain", 6, 6, "done before"), ("cluster", 4, 7, "going on from iteration 4")]
    assert sum("going on" in message for *_, message in told) == 1
    assert next(done for phase, done, *_ in told[2:] if phase == "cluster") == 5
    told.clear()
    go(Keeper([Memory(history[at.index(("pretrain", 6))])]), progress=lambda *report: told.append(report))
    assert told[:2] == [("pretrain", 6, 6, "done before"), ("k-means", 0, told[1][2], "")]
    assert next(done for phase, done, *_ in told if phase == "cluster") == 1


def take(history, phase, step):
    """Give the last checkpoint of a step."""
    states = [unpack(data) for data in history]
    return [state for state in states if steps_of(state) == (phase, step)][-1]


def replace(state, *path, by):
    *way, last = path
    for name in way:
        state = state[name]
    assert not np.array_equal(state[last], by)
    state[last] = by


@pytest.fixture
def variables(few, tiny, history):
    """Say which of the variables of pre-training is what."""
    runner = StepRunner(
        Denoiser(
            build_autoencoder(few.shape[1:], tiny),
            Augmenter(tiny.augment, seed=tiny.seed, purpose="pretrain"),
            noise=tiny.noise,
            seed=tiny.seed,
        ),
        descent=Descent("adam", tiny.learning_rate),
        phase="a test",
    )
    return [variable.path for variable in runner._variables]


@pytest.mark.parametrize(
    "kind", ["seed_generator", "momentum", "velocity", "/iteration", "encoder_1/kernel", "latent/bias"]
)
def test_each_kind_of_variable_matters(kind, variables, history, go, whole):
    state, first = take(history, "pretrain", 5), take(history, "pretrain", 1)
    chosen = [number for number, path in enumerate(variables) if kind in path]
    assert chosen
    for number in chosen:
        state["pretrain"]["variables"][number] = first["pretrain"]["variables"][number]
    assert go(Keeper([Memory(pack(state))])) != whole


@pytest.mark.parametrize("phase", ["pretrain", "cluster"])
@pytest.mark.parametrize(("piece", "lost"), [("done", 0), ("sums", {}), ("samples", 1)])
def test_each_count_of_the_steps_matters(phase, piece, lost, history, go, whole):
    state = take(history, phase, 5)
    replace(state["pretrain"] if phase == "pretrain" else state["joint"]["runner"], piece, by=lost)
    try:
        result = go(Keeper([Memory(pack(state))]))
    except ZeroDivisionError:
        return
    assert result != whole


@pytest.mark.parametrize(
    ("step", "path", "lost"),
    [
        (4, ("log", "text"), "phase,step,loss,reconstruction,kl,changed,seconds\n"),
        (4, ("initial_labels",), np.zeros(33, np.int32)),
        (4, ("joint", "renewal", "targets"), np.full((30, 3), 1 / 3, np.float32)),
        (4, ("joint", "renewal", "labels"), np.full(30, 7, np.int32)),
        (4, ("joint", "renewed_at"), 0),
        (4, ("joint", "collapsed"), 1),
        (4, ("joint", "best", "rank"), [False, 0.0]),
        (7, ("joint", "best", "iteration"), 0),
        (7, ("joint", "best", "collapse"), ["lost"]),
        (7, ("joint", "renewal", "collapse"), ["lost"]),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.filterwarnings("ignore:The clustering collapsed")
def test_each_other_piece_of_the_state_matters(step, path, lost, history, go, whole):
    state = take(history, "cluster", step)
    replace(state, *path, by=lost)
    if path[-2:] == ("renewal", "collapse"):
        state["joint"]["collapsed"] = 1  # it is told only where there was one
        whole = whole | {
            "metrics": whole["metrics"] | {"notes": ["the clustering had collapsed at 1 of 4 renewals"]}
        }
    assert go(Keeper([Memory(pack(state))])) != whole


@pytest.mark.filterwarnings("ignore:Number of distinct clusters", "ignore:The clustering collapsed")
def test_a_collapse_is_counted_as_if_training_had_run_through(few, tiny, tmp_path):
    copies, place = np.repeat(few[:2], 24, axis=0), Memory()

    def go(keeper):
        return result_of(train(copies, tiny, folder=tmp_path, keeper=keeper), tmp_path)

    whole = go(Keeper([place], every_s=0))
    assert "collapsed at 4 of 4 renewals; at the last" in whole["metrics"]["notes"][0]
    for step in (1, 5, 7):
        assert go(Keeper([Memory(pack(take(place.history, "cluster", step)))])) == whole


def test_the_best_weights_matter(history, go, whole):
    state = take(history, "cluster", 7)
    state["joint"]["best"]["weights"] = take(history, "cluster", 0)["joint"]["best"]["weights"]
    assert go(Keeper([Memory(pack(state))])) != whole


def test_seconds_go_on_from_where_they_stood(history, go, tmp_path):
    state = take(history, "cluster", 4)
    state["log"]["seconds"] = 5000.0
    go(Keeper([Memory(pack(state))]))
    rows = (tmp_path / "log.csv").read_text().splitlines()
    seconds = [float(row.rsplit(",", 1)[1]) for row in rows[1:]]
    assert max(seconds[:-2]) < 1000
    assert all(5000 <= second < 6000 for second in seconds[-2:])


def test_the_newer_of_two_checkpoints_is_gone_on_from_and_the_older_replaced(history, go, whole):
    newer, older = Memory(history[4]), Memory(history[3])
    told = []
    result = go(Keeper([older, newer], every_s=math.inf), progress=lambda *report: told.append(report))
    assert result == whole
    assert told[0][:2] == steps_of(unpack(history[4]))
    assert len(older.history) >= 1
    assert unpack(older.history[0])["number"] == unpack(history[4])["number"] + 1


@pytest.mark.parametrize("harm", [lambda data: data[:-1], lambda data: data[:100], lambda data: b""])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(harm, history, go, whole):
    damaged, older = Memory(harm(history[4])), Memory(history[3])
    told = []
    with pytest.warns(CouloirWarning, match=r"checkpoint memory is damaged \(.*checksum.*not used"):
        result = go(Keeper([older, damaged]), progress=lambda *report: told.append(report))
    assert result == whole
    assert told[0] == ("pretrain", 4, 6, "going on from epoch 3")


def test_a_training_with_nothing_but_damaged_checkpoints_starts_from_the_start(history, go, whole):
    flipped = bytearray(history[7])
    flipped[len(flipped) // 2] ^= 1
    told, places = [], [Memory(bytes(flipped)), Memory(history[6][:50])]
    with pytest.warns(CouloirWarning) as warned:
        assert go(Keeper(places, every_s=0), progress=lambda *report: told.append(report)) == whole
    assert len([one for one in warned if "is damaged" in str(one.message)]) == 2
    assert told[0][:2] == ("pretrain", 1)
    assert all(unpack(place.data) for place in places)


@pytest.mark.parametrize(
    ("said", "made_from", "changes", "count"),
    [
        ("archive and settings", "another archive", {}, 33),
        ("train settings", "", {"seed": 8}, 33),
        ("shape of the spectrograms", "", {}, 32),
    ],
)
def test_a_checkpoint_of_another_training_is_not_used_and_that_is_told(
    said, made_from, changes, count, history, few, tiny, tmp_path
):
    settings, samples = tiny.model_copy(update=changes), few[:count]
    alone = result_of(train(samples, settings, folder=tmp_path), tmp_path)
    keeper = Keeper([Memory(history[8])], made_from=made_from)
    with pytest.warns(CouloirWarning, match=rf"of another training \(.*{said}.* differ\): it is not used"):
        other = result_of(train(samples, settings, folder=tmp_path, keeper=keeper), tmp_path)
    assert other == alone


def test_a_checkpoint_that_cannot_be_written_is_warned_of_and_training_goes_on(go, whole):
    class Away(Memory):
        tries = 0

        def write_bytes(self, data):
            self.tries += 1
            if self.tries in (2, 3, 11):
                raise OSError("the bucket is away")
            super().write_bytes(data)

    place = Away()
    with pytest.warns(
        CouloirWarning, match="could not be written: the bucket is away. Training goes on"
    ) as warned:
        assert go(Keeper([place], every_s=0)) == whole
    assert sum(one.category is CouloirWarning for one in warned) == 3
    assert [unpack(data)["number"] for data in place.history] == list(range(1, len(place.history) + 1))


def test_a_stop_whose_checkpoint_cannot_be_written_still_stops(go):
    class Gone(Memory):
        def write_bytes(self, data):
            raise OSError("the bucket is away")

    asked = iter(range(100))

    def stop():
        if next(asked) >= 3:  # steps were made
            raise Stopped

    with pytest.warns(CouloirWarning, match="could not be written"), pytest.raises(Stopped):
        go(Keeper([Gone()], check_stop=stop))
