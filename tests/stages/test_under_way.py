"""What is under way is not submitted a second time, wherever it runs; clusters are stand-ins of their commands."""

import time
from dataclasses import replace

import pytest

from couloir.errors import ClusterError, HeldError
from couloir.stages.under_way import refuse_twice
from couloir.store.hold import take
from couloir.store.holder import STALE_S, Holder
from couloir.store.location import Location
from couloir.store.submission import Submission, write_submission

from .conftest import make_config

JOBS = {"detect": "7", "train": "8", "catalog": "9", "report": "9"}
DASKJOB = '{"items": [{"kind": "DaskJob", "status": {"jobStatus": "%s"}}]}'


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return make_config(tmp_path / "archive", tmp_path / "out")


@pytest.fixture
def output(tmp_path):
    return Location(str(tmp_path / "out"))


def stand_in(folder, command, text):
    """Have a command write down how it was called, and answer."""
    path = folder / "bin" / command
    path.write_text(f"#!/bin/sh\necho \"$*\" > {folder / command}\n/bin/cat <<'END'\n{text}\nEND\n")
    path.chmod(0o755)


def submitted(output, cluster, **more):
    jobs = JOBS if cluster == "slurm" else dict.fromkeys(JOBS, "luhu")
    write_submission(output, Submission(cluster, "2024-02-01T00:00:00+00:00", "ann", "login", jobs, **more))


def test_jobs_of_whoever_submitted_them_are_asked_for(config, output, tmp_path):
    submitted(output, "slurm")
    stand_in(tmp_path, "squeue", "8 couloir-train\n9 couloir-report")
    with pytest.raises(ClusterError, match="by ann, and jobs 8, 9 still wait or run"):
        refuse_twice(config)
    asked = (tmp_path / "squeue").read_text()
    assert "--me" not in asked
    assert set(asked.split("--jobs=")[1].strip().split(",")) == {"7", "8", "9"}


@pytest.mark.parametrize("told", ["", "8 somebody-elses"])
def test_numbers_that_slurm_has_given_to_others_are_not_the_run_s(told, config, output, tmp_path):
    submitted(output, "slurm")
    stand_in(tmp_path, "squeue", told)
    refuse_twice(config)


def test_a_run_on_kubernetes_is_asked_for_in_the_namespace_it_was_submitted_to(config, output, tmp_path):
    submitted(output, "kubernetes", namespace="seismology")
    stand_in(tmp_path, "kubectl", DASKJOB % "Running")
    with pytest.raises(ClusterError, match=r"luhu is still under way.*kubectl --namespace seismology delete"):
        refuse_twice(config)
    assert "--namespace seismology" in (tmp_path / "kubectl").read_text()
    stand_in(tmp_path, "kubectl", DASKJOB % "Successful")
    refuse_twice(config)


@pytest.mark.parametrize("cluster", ["slurm", "kubernetes"])
def test_a_cluster_that_is_not_reached_is_not_asked(cluster, config, output):
    submitted(output, cluster)
    refuse_twice(config)


def test_what_a_living_run_holds_is_not_submitted(config, output, tmp_path):
    refuse_twice(config)
    hold = take(output)
    with pytest.raises(HeldError, match="jobs that are submitted now may find it still held"):
        refuse_twice(config)
    hold.release()
    refuse_twice(config)


def test_what_a_run_that_has_died_held_is_submitted(config, output, monkeypatch):
    silent = replace(Holder.here(), machine="another", sign=time.time() - STALE_S - 1)
    monkeypatch.setattr("couloir.stages.under_way.read_holder", lambda _: silent)
    refuse_twice(config)
