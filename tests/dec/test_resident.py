"""Training does not depend on where the samples lie, and goes there only where they fit."""

import os

import keras
import numpy as np
import pytest
from checkpoints import result_of

from couloir.dec import accelerator, resident, training
from couloir.dec.accelerator import be_deterministic, free_memory, has_accelerator, is_out_of_memory
from couloir.dec.assign import assign
from couloir.dec.clustering import assigner_of
from couloir.dec.predict import predict
from couloir.dec.resident import Resident, make_resident, narrow, settle
from couloir.dec.training import train


class ResourceExhaustedError(Exception):
    """What TensorFlow raises, by name."""


@pytest.fixture
def ours(samples, settings):
    return settings.model_copy(update={"batch": 20, "shuffle": 40})


def test_resident_samples_are_those_they_were_made_of(samples):
    held = make_resident(samples)
    some = narrow(held, np.array([5, 90, 3]))
    assert (len(held), held.shape, len(some), some.shape[0]) == (96, samples.shape, 3, 3)
    np.testing.assert_array_equal(some[np.array([1, 0])], samples[[90, 5]])
    table = keras.ops.convert_to_numpy(some.table)
    assert table.dtype == np.float16
    np.testing.assert_array_equal(table[some.rows], samples[[5, 90, 3]])
    assert isinstance(some, Resident)
    assert not isinstance(narrow(samples, np.array([1])), Resident)


def test_samples_arrive_whole_however_many_are_sent_at_once(samples, monkeypatch):
    monkeypatch.setattr(resident, "_AT_ONCE", 7)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(make_resident(samples).table), samples)


def test_outputs_are_the_same_from_memory_storage_and_accelerator(samples, recorder, trained, monkeypatch):
    monkeypatch.setattr("couloir.dec.predict._ON_DEVICE", 40)
    network, expected = assigner_of(trained.model), assign(trained.model, samples)
    for held in (samples, recorder, make_resident(samples)):
        np.testing.assert_allclose(predict(network, held), expected.q, atol=1e-6)
        np.testing.assert_allclose(assign(trained.model, held).latent, expected.latent, atol=1e-5)


def test_training_gives_the_same_bytes_from_memory_storage_and_accelerator(
    samples, recorder, ours, tmp_path, monkeypatch
):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("elsewhere a loop of steps is another program than one step, equal but for rounding")
    expected = result_of(train(samples, ours, folder=tmp_path), tmp_path)
    assert result_of(train(recorder, ours, folder=tmp_path), tmp_path) == expected
    monkeypatch.setattr(training, "settle", make_resident)
    monkeypatch.setattr("couloir.dec.feed.STEPS", 4)  # of which 2 or 3 are used
    assert result_of(train(samples, ours, folder=tmp_path), tmp_path) == expected


def test_training_on_the_accelerator_learns_and_logs_as_elsewhere(samples, settings, tmp_path, monkeypatch):
    grouped = settings.model_copy(update={"shuffle": 40})
    expected = train(samples, grouped, folder=tmp_path / "memory")
    monkeypatch.setattr(training, "settle", make_resident)
    found = train(samples, grouped, folder=tmp_path / "device")
    assert found.iterations == expected.iterations == 20
    np.testing.assert_array_equal(found.labels, expected.labels)
    logs = [
        np.genfromtxt(tmp_path / name / "log.csv", delimiter=",", skip_header=1, usecols=(1, 2))
        for name in ("memory", "device")
    ]
    np.testing.assert_allclose(*logs, rtol=1e-3)


def test_without_an_accelerator_samples_stay_where_they_are(samples):
    if has_accelerator():
        pytest.skip("there is an accelerator")
    assert free_memory() == 0
    assert settle(samples) is samples


@pytest.mark.parametrize(("free", "goes"), [(0, False), (1.0, False), (2.4, False), (2.6, True)])
def test_samples_go_to_the_accelerator_where_they_leave_it_room(samples, free, goes, monkeypatch):
    monkeypatch.setattr(resident, "free_memory", lambda: int(free * samples.nbytes))
    assert isinstance(settle(samples), Resident) == goes


def test_samples_that_do_not_fit_after_all_stay_where_they_are(samples, monkeypatch):
    monkeypatch.setattr(resident, "free_memory", lambda: 10**12)

    def refuse(error):
        def convert(_, *, pause):
            raise error

        return convert

    monkeypatch.setattr(resident, "make_resident", refuse(ResourceExhaustedError("out of memory")))
    assert settle(samples) is samples
    monkeypatch.setattr(resident, "make_resident", refuse(ValueError("something else")))
    with pytest.raises(ValueError, match="something else"):
        settle(samples)


def test_determinism_is_asked_of_the_backend_before_it_computes(monkeypatch):
    asked = []
    monkeypatch.setattr(accelerator, "has_accelerator", lambda: True)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv("XLA_FLAGS", "--one")
    for _ in range(2):
        be_deterministic()
    assert os.environ["XLA_FLAGS"] == "--one --xla_gpu_deterministic_ops=true"
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append("tensorflow"))
    be_deterministic()
    assert asked == ["tensorflow"]
    monkeypatch.setattr(accelerator, "has_accelerator", lambda: False)
    be_deterministic()
    assert asked == ["tensorflow"]  # a CPU is so anyway


def test_tensorflows_free_memory_is_its_limit_less_what_is_in_use(monkeypatch):
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr(accelerator, "has_accelerator", lambda: True)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(accelerator, "_limit_of_tensorflow", lambda: 1000)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda _: {"current": 300})
    assert free_memory() == 700


def test_running_out_of_memory_is_told_from_other_errors():
    class JaxRuntimeError(Exception):
        pass

    for error in (MemoryError(), ResourceExhaustedError(), JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")):
        assert is_out_of_memory(error)
    for error in (ValueError("RESOURCE_EXHAUSTED"), JaxRuntimeError("INVALID_ARGUMENT: shapes"), KeyError()):
        assert not is_out_of_memory(error)


def test_tensorflows_own_error_is_known():
    tf = pytest.importorskip("tensorflow")
    assert is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))
