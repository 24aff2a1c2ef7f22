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


def run_on_jax(*command):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def _other_backend():
    pytest.importorskip("jax", reason="JAX is not installed")
    if backend.keras.backend.backend() == "jax":
        pytest.skip("this is already the run on JAX")


@pytest.mark.slow
def test_networks_clustering_and_training_pass_their_tests_on_jax():
    here = Path(__file__).parent
    names = ("test_networks.py", "test_clustering.py", "test_pretrain.py", "test_joint.py", "test_training.py")
    done = run_on_jax("-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(here / name) for name in names))
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
def test_a_model_saved_on_one_backend_gives_the_same_assignments_on_another(trained, folder, samples, tmp_path):
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
