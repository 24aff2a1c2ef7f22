import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from couloir.dec import backend
from couloir.dec.assign import assign
from couloir.errors import TrainingError

ASSIGN = """
import sys
from pathlib import Path
import keras, numpy as np
from couloir.dec.assign import assign, load_model
assert keras.backend.backend() == "jax"
np.save(sys.argv[3], assign(load_model(Path(sys.argv[1])), np.load(sys.argv[2])).q)
"""


@pytest.fixture(scope="module")
def run_on_jax(tmp_path_factory):
    """Run Python on JAX, compiled quickly; what was compiled once is kept for trainings of the same shape."""
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
    }
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **kept}

    def run(*command):
        return subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module", autouse=True)
def _other_backend():
    pytest.importorskip("jax", reason="JAX is not installed")
    if backend.keras.backend.backend() == "jax":
        pytest.skip("this is already the run on JAX")


ON_JAX = (
    "test_clustering.py::test_gradients_of_the_clustering_loss_are_equations_4_and_5_of_the_paper",
    "test_pretrain.py::test_noise_is_fresh_at_each_compiled_training_step_and_the_target_is_clean",
    "test_training.py::test_clusters_are_the_classes_of_easy_pictures",
    "test_training.py::test_log_has_a_line_for_each_epoch_and_each_renewal",
    "test_training.py::test_metrics_say_how_training_went",
    "test_training.py::test_metrics_hold_the_losses_of_the_model_as_kept",
    "test_resuming.py::test_a_crash_in_any_step_loses_only_what_came_after_the_checkpoint[3]",
    "test_published_training.py::test_a_changed_and_encoder_only_training_that_was_cut_off_ends_as_if_it_had_not[3]",
    "test_assign.py::test_a_saved_model_gives_identical_assignments",
    "test_steps.py",
    "test_resident.py::test_training_on_the_accelerator_learns_and_logs_as_elsewhere",
    "test_resident.py::test_outputs_are_the_same_from_memory_storage_and_accelerator",
    "test_precision.py::test_training_in_half_precision_finds_the_same_clusters_and_is_repeatable",
    "test_augment.py::test_rotation_zoom_and_shift_are_scipys_affine_transform",
    "test_strided.py",
)


@pytest.mark.slow
def test_gradients_noise_and_a_whole_training_pass_their_tests_on_jax(run_on_jax):
    here = Path(__file__).parent
    done = run_on_jax("-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(here / name) for name in ON_JAX))
    assert done.returncode == 0, done.stdout[-4000:]
    assert "43 passed" in done.stdout


@pytest.mark.slow
def test_a_model_saved_on_one_backend_gives_the_same_assignments_on_another(
    run_on_jax, trained, folder, samples, tmp_path
):
    np.save(tmp_path / "samples.npy", samples)
    paths = (folder / "dec.keras", tmp_path / "samples.npy", tmp_path / "q.npy")
    done = run_on_jax("-c", ASSIGN, *map(str, paths))
    assert done.returncode == 0, done.stderr[-4000:]
    np.testing.assert_allclose(np.load(tmp_path / "q.npy"), assign(trained.model, samples).q, atol=1e-4)


def test_missing_keras_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    spec = importlib.util.spec_from_file_location("backend_without_keras", backend.__file__)
    with pytest.raises(TrainingError, match=r"pip install 'couloir\[cpu\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
