"""What is settled before a run goes to SLURM, without one."""

import datetime as dt
from dataclasses import dataclass

import dask
import pytest

from couloir.errors import ConfigError
from couloir.stages import submit as submission
from couloir.stages.submit import prepare, submit

from .conftest import make_config


@dataclass
class OfNothing:
    """A plan of an archive that is not there."""

    core_seconds = 7_200.0
    station_days = 10
    inventory = type("Inventory", (), {"blocks": {}})


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Prepare a run whose output is empty, with settings of a site."""
    monkeypatch.setattr(submission, "refuse_changes", lambda *_: None)

    def make(name="run", **slurm):
        site = {"folder": str(tmp_path / "jobs")} | slurm
        config = make_config(tmp_path / "archive", tmp_path / "out", compute={"slurm": site})
        return prepare(config, OfNothing(), name=name)

    return make


@pytest.mark.parametrize(
    ("name", "word"),
    [("run", "run"), ("Luhu 2023", "Luhu-2023"), ("100% %j", "100-j"), ("Ä", "run"), ("-x", "x"), ("a\tb", "a-b")],
)
def test_a_run_file_s_name_makes_a_folder_that_slurm_and_dask_take(name, word, prepared, tmp_path):
    for workers_as in ("tasks", "jobs"):
        path = prepared(name, workers_as=workers_as).folder.path
        assert path.parent == tmp_path / "jobs"
        stem, stamp = path.name[:-16], path.name[-15:]
        assert stem == word
        assert dt.datetime.strptime(stamp, "%Y%m%d-%H%M%S")


def test_workers_that_are_jobs_are_refused_a_folder_whose_path_has_a_space(prepared, tmp_path):
    folder = str(tmp_path / "my jobs")
    assert prepared(folder=folder)
    with pytest.raises(ConfigError, match="lies in a path with a space"):
        prepared(folder=folder, workers_as="jobs")


def test_all_that_is_submitted_is_shown_with_how(prepared):
    made = prepared(workers_as="jobs", scratch="$SCRATCH/dask")
    heads = [
        line.removeprefix("==> ").removesuffix(" <==") for line in made.text.splitlines() if line[:3] == "==>"
    ]
    folder = made.folder.path
    held = "sbatch --parsable --dependency=afterok:JOB_OF_{} --kill-on-invalid-dep=yes"
    assert heads == [
        f"{folder}/run.yaml",
        f"sbatch --parsable < {folder}/detect.sh",
        f"{held.format('DETECT')} < {folder}/train.sh",
        f"{held.format('TRAIN')} < {folder}/report.sh",
        f"{folder}/worker.sh, which detection submits for each worker",
    ]
    assert '--local-directory "$SCRATCH/dask" ' in made.text
    assert f"--tls-key {folder}/tls/tls.key" in made.text
    assert f"#SBATCH --output={folder}/workers/worker-%j.log" in made.text
    assert not folder.parent.exists(), "a look writes nothing"


def test_a_site_s_own_setting_of_dask_puts_no_log_elsewhere(prepared, tmp_path):
    with dask.config.set({"jobqueue.slurm.log-directory": str(tmp_path / "of-the-site")}):
        text = prepared(workers_as="jobs").worker.text
    assert "of-the-site" not in text
    assert not (tmp_path / "of-the-site").exists()


def test_a_container_sees_the_nearest_folder_that_there_is(prepared, tmp_path):
    (tmp_path / "couloir.sif").touch()
    site = {"container": "apptainer", "image": str(tmp_path / "couloir.sif")}
    assert prepared(**site).folder.binds == (str(tmp_path),)
    assert prepared().folder.binds == ()


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_submitted(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(submission.slurm, "check_script", lambda _: None)
    (tmp_path / "jobs").touch()
    with pytest.raises(ConfigError, match=r"compute\.slurm\.folder: .* cannot be written: Not a directory"):
        submit(prepared(), tell=lambda *_: None)
