"""The worker's image is built for real, and detects as the host does: read-only, by any user, without network."""

import datetime as dt
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import images
import pytest
import xarray
import yaml

import couloir
from couloir.store.blocks import ARCHIVE
from couloir.synth import SynthSpec, write_archive

pytestmark = pytest.mark.slow
IMAGE = "couloir-worker"
LIMIT = 900e6
"""Bytes that the worker's image may have."""
START = dt.date(2024, 3, 4)
COMPILERS = ("cc", "gcc", "g++", "clang", "ld", "as", "make", "cmake")
PACKAGES = ("numpy", "scipy", "obspy", "zarr", "numcodecs")
"""What the bytes of a spectrogram archive depend on."""
LOOK_AROUND = f"""
import getpass, importlib.metadata, importlib.util, json, os, shutil, sysconfig
import matplotlib.pyplot
from pathlib import Path
site = Path(sysconfig.get_path("purelib"))
def writable(path):
    try:
        open(path + "/x", "w").close()
        return True
    except OSError:
        return False
def taken_as_it_is(path):
    kept = Path(importlib.util.cache_from_source(path))
    return kept.exists() and kept.read_bytes()[4:8] == bytes([1, 0, 0, 0])
sources = [*(site / "couloir").rglob("*.py"), *(site / "numpy").glob("*.py")]
print(json.dumps({{
    "compilers": [name for name in {COMPILERS} if shutil.which(name)],
    "training": [name for name in ("tensorflow", "keras", "jax", "torch") if importlib.util.find_spec(name)],
    "versions": {{name: importlib.metadata.version(name) for name in {PACKAGES}}},
    "ids": [os.getuid(), os.getgid()],
    "named": getpass.getuser(),
    "writable": [path for path in ("/", "/opt/couloir", "/data", os.path.expanduser("~")) if writable(path)],
    "not compiled": [str(path) for path in sources if not taken_as_it_is(path)],
    "left": [path for path in ("/build", "/var/cache/pip", "/opt/couloir/bin/pip") if Path(path).exists()],
    "tests": [str(path) for path in site.rglob("tests") if path.is_dir()],
}}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the image from a base that is made here."""
    if lacking := images.missing():
        pytest.skip(lacking)
    store = images.Images(tmp_path_factory.mktemp("images"))
    if lacking := store.import_base():
        pytest.skip(lacking)
    store.make("image")
    yield store
    store.remove()


@pytest.fixture(scope="module")
def user():
    """Give a user that nobody knows, of the group 0."""
    return random.Random().randrange(20_000, 60_000)  # noqa: S311


@pytest.fixture(scope="module")
def seen(built, user):
    """Look around in a container."""
    options = ("--user", f"{user}:0", "--entrypoint", "python")
    told = built.run(IMAGE, "-c", LOOK_AROUND, options=options)
    assert told.stderr == ""
    return json.loads(told.stdout)


def test_it_is_small(built):
    assert 100e6 < built.inspect(IMAGE)["Size"] < LIMIT


def test_it_holds_no_compiler_no_training_and_nothing_of_its_making(seen):
    assert seen["compilers"] == seen["training"] == seen["left"] == seen["tests"] == []


def test_it_runs_as_any_user_and_writes_nowhere_but_in_tmp(seen, user):
    assert seen["ids"] == [user, 0]
    assert seen["named"] == "couloir"
    assert seen["writable"] == ["/tmp"]  # noqa: S108


def test_its_modules_are_compiled_and_taken_without_a_look_at_their_sources(seen):
    assert seen["not compiled"] == []


def test_it_says_what_it_is(built):
    told = built.inspect(IMAGE)
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in told["Labels"].items()}
    assert labels["title"] == IMAGE
    assert labels["licenses"] == "BSD-3-Clause"
    assert labels["version"] == couloir.__version__
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=images.ROOT, capture_output=True, text=True)
    assert labels["revision"] == commit.stdout.strip()
    assert labels["created"] == dt.datetime.fromisoformat(told["Created"]).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {"description", "source"} <= labels.keys()
    assert told["Config"]["Entrypoint"] == ["couloir"]
    assert told["Healthcheck"]["Test"] == ["CMD", "couloir", "--version"]


def test_its_user_is_not_root_unless_asked(built):
    assert built.inspect(IMAGE)["User"] == "10001:0"


def test_it_has_the_settings_that_the_programs_own_workers_have(built):
    from couloir.compute.dask_pool import WORKER_ENVIRONMENT

    own = {name: value for name, value in WORKER_ENVIRONMENT.items() if not name.startswith("DASK_LOGGING")}
    assert own.items() <= built.settings(IMAGE).items()


def test_it_tells_its_version_to_any_user(built, user):
    told = built.run(IMAGE, "--version", options=("--user", f"{user}:0"))
    assert couloir.__version__ in told.stdout


@pytest.fixture(scope="module")
def detected(built, user, tmp_path_factory):
    """Detect in the same day of one station on the host and in a container."""
    folder = tmp_path_factory.mktemp("detected")
    write_archive(str(folder / "archive"), SynthSpec(start=START, days=1, stations=1, activity=0.5))
    for place in ("host", "image"):
        settings = {
            "preset": "small",
            "archive": {"url": "archive", "start": START, "end": START + dt.timedelta(days=1)},
            "output": {"url": place},
            "compute": {"workers": 1, "memory_gb": 2.0},
        }
        (folder / f"{place}.yaml").write_text(yaml.safe_dump(settings))
    folder.chmod(0o775)
    os.chown(folder, -1, 0)
    command = [sys.executable, "-m", "couloir.cli", "detect", "host.yaml"]
    subprocess.run(command, cwd=folder, env=environment_here(), check=True, capture_output=True)
    where = ("--volume", f"{folder}:{folder}", "--workdir", folder)  # a block's mark tells where its days lay
    options = ("--user", f"{user}:0", "--memory", "3g", *where, "--entrypoint", "/bin/sh")
    script = "couloir detect image.yaml && couloir outcomes image.yaml && couloir verify image.yaml"
    told = built.run(IMAGE, "-euc", script, options=options)
    return folder, told.stdout


def environment_here():
    return os.environ | {"PYTHONPATH": str(Path(couloir.__file__).parents[1]), "COULOIR_COMPUTE__KIND": "serial"}


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_detects_what_the_host_detects(detected):
    folder, told = detected
    trees = [
        xarray.open_datatree(folder / place / ARCHIVE, engine="zarr", consolidated=False)
        for place in ("host", "image")
    ]
    host, image = (tree["XX.CL01.00.EH/2024-03"].to_dataset().load() for tree in trees)
    assert host.sizes["event"] > 10
    assert image.sizes == host.sizes
    assert (image["waveform"] == host["waveform"]).all()
    xarray.testing.assert_allclose(image["spectrogram"], host["spectrogram"], atol=0.02)
    assert "ok" in told


def test_it_writes_the_same_bytes_as_the_host_where_the_same_versions_are_locked(detected, seen):
    from importlib.metadata import version

    here = {name: version(name) for name in PACKAGES}
    if here != seen["versions"]:
        pytest.skip(f"the base's Python has other versions locked than this one: {seen['versions']}")
    folder, _ = detected
    assert files(folder / "image" / ARCHIVE) == files(folder / "host" / ARCHIVE)


def test_what_it_writes_belongs_to_its_user(detected, user):
    folder, _ = detected
    assert {path.stat().st_uid for path in (folder / "image").rglob("*")} == {user}


def test_it_starts_unprivileged_with_charliecloud_as_on_a_cluster(built):
    if lacking := images.charliecloud_missing():
        pytest.skip(lacking)
    with built.mounted(IMAGE) as folder:
        told = images.charliecloud(folder, "couloir", "--version", settings=built.settings(IMAGE))
    assert couloir.__version__ in told
