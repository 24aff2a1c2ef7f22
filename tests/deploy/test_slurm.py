"""A whole run on a real SLURM of two nodes, and what can befall its jobs on the way."""

import datetime as dt
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from couloir.compute import open_pool
from couloir.compute.slurm_jobs import SlurmJobsPool
from couloir.config import ComputeConfig
from couloir.config.slurm import SlurmConfig
from couloir.errors import ClusterError
from couloir.synth import SynthSpec, write_archive

COULOIR = [sys.executable, "-m", "couloir.cli"]
DETECT = ["detect", "run.yaml"]
SMALL = {"clusters": 3, "filters": [4, 4], "latent": 4, "batch": 8, "epochs": 2, "max_iterations": 4}
SMALL |= {"kmeans_starts": 1, "update_interval": 2}
SITE = {"interface": "lo", "walltime": "00:10:00", "warn_s": 20}
SITE |= {"training": {"partition": "gpu", "cores": 2, "memory_gb": 4.0, "walltime": "00:10:00"}}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Give an archive of two stations and the days about a change of month: four blocks."""
    folder = tmp_path_factory.mktemp("archive")
    spec = SynthSpec(start=dt.date(2024, 2, 29), days=2, stations=2, sampling_rate=20.0)
    write_archive(str(folder), spec, progress=lambda *_: None, workers=2)
    return folder


def run_file(folder: Path, archive: Path, *, train=None, **slurm) -> Path:
    folder.mkdir(exist_ok=True)
    settings = {
        "archive": {"url": str(archive), "start": "2024-02-29", "end": "2024-03-02"},
        "output": {"url": "out"},
        "detect": {"sampling_rate": 20.0, "band": [1.0, 8.0]},
        "spectrogram": {"frequencies": 32, "times": 32, "segment_s": 2.0},
        "train": SMALL | (train or {}),
        "catalog": {"truth": str(archive / "truth.csv")},
        "compute": {"workers": 2, "memory_gb": 1.2, "slurm": SITE | slurm},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    return folder / "run.yaml"


def couloir(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([*COULOIR, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done


def test_a_worker_that_is_cancelled_is_replaced_and_one_that_is_refused_is_told(slurm, tmp_path):
    site = SlurmConfig(**{name: value for name, value in SITE.items() if name != "training"}, workers_as="jobs")
    compute = ComputeConfig(kind="slurm", workers=2, slurm=site.model_copy(update={"folder": str(tmp_path)}))
    with open_pool(compute) as pool:
        first = set(
            slurm.wait_for(lambda: len(found := slurm.jobs().get("couloir-worker", [])) == 2 and found, 180)
        )
        slurm.wait_for(lambda: len(pool._addresses()) == 2, 240)
        slurm.call("scancel", min(first))

        def replaced():
            pool.wait([], timeout_s=1)
            return set(slurm.jobs().get("couloir-worker", [])) - first

        assert slurm.wait_for(replaced, 240)
    refused = compute.slurm.model_copy(update={"partition": "nowhere"})
    with pytest.raises(ClusterError, match=r"(?s)refuses the job of a worker.*nowhere"):
        SlurmJobsPool(compute.model_copy(update={"slurm": refused}))


@pytest.fixture(autouse=True)
def none_left(request):
    """Cancel what a test has submitted, however it ended."""
    yield
    if "slurm" in request.fixturenames:
        site = request.getfixturevalue("slurm")
        site.call("scancel", "--me")
        site.wait_for(lambda: not site.jobs(), 240)
        for node in site.call("sinfo", "-h", "-N", "-p", "cpu", "-t", "down", "-o", "%N").split():
            site.wait_for(lambda node=node: site.resume(node), 180)


def submit(slurm, folder: Path, *options: str) -> dict[str, str]:
    """Submit a run, and give its jobs by stage."""
    told = couloir(folder, "submit", "slurm", "run.yaml", *options).stderr
    return dict(line.split(": job ") for line in told.splitlines() if ": job " in line)


def log(folder: Path, stage: str) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob(f"couloir-jobs/*/{stage}-*.log")))


def wait_for_end(slurm, folder: Path, number: str, stage: str, seconds: float = 300) -> None:
    ended = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}

    def has_ended():
        if "requeued_held" in slurm.call("scontrol", "show", "job", number):
            slurm.call("scontrol", "release", number)  # by the node said to be lost, which lives
        return slurm.state(number) in ended

    slurm.wait_for(has_ended, seconds)
    assert slurm.state(number) == "COMPLETED", log(folder, stage)


def task(rank: int) -> psutil.Process:
    """Find a task of the allocation that detects."""
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if process.environ().get("SLURM_PROCID") == str(rank) and process.info["cmdline"] == [
                *COULOIR,
                *DETECT,
            ]:
                return process
    raise LookupError(f"no process is task {rank}")


def same_archive(one: Path, other: Path) -> bool:
    """Say whether two outputs hold the same spectrograms, byte for byte."""
    trees = [sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()) for root in (one, other)]
    return trees[0] == trees[1] and all(filecmp.cmp(one / path, other / path, shallow=False) for path in trees[0])


@pytest.fixture(scope="module")
def laptop(archive, tmp_path_factory):
    """Give the same run as it comes out without a cluster."""
    folder = tmp_path_factory.mktemp("laptop")
    run_file(folder, archive)
    couloir(folder, "run", "run.yaml", "--set", "compute.kind=local")
    return folder / "out"


def test_one_allocation_detects_a_gpu_job_trains_and_the_catalog_is_that_of_a_laptop(
    slurm, archive, laptop, tmp_path
):
    run_file(tmp_path, archive)
    jobs = submit(slurm, tmp_path)
    assert list(jobs) == ["detect", "train", "report"]
    assert slurm.state(jobs["train"]) == "PENDING"
    (place,) = slurm.wait_for(lambda: list(tmp_path.glob("couloir-jobs/*/scheduler-*.json")), 240, every=0.05)
    slurm.wait_for(lambda: '"tls://' in place.read_text(), 60, every=0.05)
    twice = couloir(tmp_path, "submit", "slurm", "run.yaml", code=1).stderr
    assert f"{jobs['train']}, {jobs['report']} still wait or run" in twice  # detection may have ended by now
    standing = json.loads(couloir(tmp_path, "status", "run.yaml", "--format", "json").stdout)
    assert f"SLURM job {jobs['train']}" in json.dumps(standing)
    wait_for_end(slurm, tmp_path, jobs["report"], "report")
    assert "Partition=gpu" in slurm.call("scontrol", "show", "job", jobs["train"])
    assert same_archive(tmp_path / "out" / "spectrograms.zarr", laptop / "spectrograms.zarr")
    assert same_archive(tmp_path / "out" / "catalog", laptop / "catalog")
    assert (tmp_path / "out" / "report" / "index.html").exists()
    couloir(tmp_path, "verify", "run.yaml")


def test_workers_are_jobs_of_their_own_and_one_that_is_cancelled_is_replaced(slurm, archive, laptop, tmp_path):
    run_file(tmp_path, archive, workers_as="jobs")
    jobs = submit(slurm, tmp_path)
    workers = slurm.wait_for(lambda: slurm.jobs().get("couloir-worker", [])[1:], 180)
    slurm.wait_for(lambda: slurm.state(workers[0]) == "RUNNING", 180)
    slurm.call("scancel", workers[0])
    wait_for_end(slurm, tmp_path, jobs["detect"], "detect")
    assert same_archive(tmp_path / "out" / "spectrograms.zarr", laptop / "spectrograms.zarr")


def test_adaptive_workers_come_with_the_work_and_go_with_it(slurm, archive, laptop, tmp_path):
    run_file(tmp_path, archive, workers_as="jobs", adaptive=True)
    jobs = submit(slurm, tmp_path)
    wait_for_end(slurm, tmp_path, jobs["detect"], "detect")
    slurm.wait_for(lambda: "couloir-worker" not in slurm.jobs(), 180)
    assert same_archive(tmp_path / "out" / "spectrograms.zarr", laptop / "spectrograms.zarr")


@pytest.mark.parametrize(
    "mishap", ["requeued", "node lost", "killed", "scheduler killed", "killed, its workers are jobs"]
)
def test_a_job_that_starts_anew_ends_with_the_same_archive(mishap, slurm, archive, laptop, tmp_path):
    run_file(tmp_path, archive, workers_as="jobs" if "workers" in mishap else "tasks")
    number = submit(slurm, tmp_path)["detect"]
    slurm.wait_for(lambda: list((tmp_path / "out").glob("hold/*.json")), 240)
    if mishap == "requeued":
        slurm.call("scontrol", "requeue", number)
    elif mishap == "node lost":
        node = slurm.call("squeue", "-h", "-j", number, "-o", "%N")
        slurm.call("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    elif mishap == "scheduler killed":
        task(0).kill()
    elif mishap == "killed":
        slurm.call("scancel", "--signal=KILL", f"{number}.0")
    else:
        slurm.wait_for(lambda: slurm.jobs().get("couloir-worker"), 180)
        psutil.Process(slurm.script(number)).children()[0].kill()
    slurm.wait_for(lambda: "Restarts=1" in slurm.call("scontrol", "show", "job", number), 180)
    wait_for_end(slurm, tmp_path, number, "detect")  # on the other node, where one was lost
    if mishap == "scheduler killed":
        assert (next(tmp_path.glob("couloir-jobs/*/detect.held"))).read_text() == "75\n"
    assert same_archive(tmp_path / "out" / "spectrograms.zarr", laptop / "spectrograms.zarr")
    slurm.wait_for(lambda: "couloir-worker" not in slurm.jobs(), 240)  # those of the killed run end by themselves


def test_a_stage_that_comes_to_its_time_limit_stops_in_order_and_goes_on(slurm, archive, laptop, tmp_path):
    limit = {"walltime": "00:01:00", "warn_s": 10}
    limit["prologue"] = ["srun --ntasks=1 true", "[ ${SLURM_RESTART_COUNT:-0} -gt 0 ] || sleep 45"]
    run_file(tmp_path, archive, **limit)
    jobs = submit(slurm, tmp_path)
    wait_for_end(slurm, tmp_path, jobs["detect"], "detect")
    assert "this job is queued again, and goes on from there" in log(tmp_path, "detect")
    assert same_archive(tmp_path / "out" / "spectrograms.zarr", laptop / "spectrograms.zarr")


def test_a_training_that_is_told_to_stop_checkpoints_and_goes_on(slurm, archive, laptop, tmp_path):
    shutil.copytree(laptop, tmp_path / "out", ignore=lambda _, names: {"model", "catalog", "report"} & set(names))
    run_file(tmp_path, archive, train={"epochs": 3_000})
    jobs = submit(slurm, tmp_path)
    number = jobs["train"]
    slurm.wait_for(lambda: slurm.state(number) == "RUNNING", 240)
    told = tmp_path / "out" / "progress" / "train.json"
    slurm.wait_for(lambda: told.exists() and '"phase": "pretrain"' in told.read_text(), 240)
    slurm.warn(number)
    slurm.wait_for(lambda: "Restarts=1" in slurm.call("scontrol", "show", "job", number), 180)
    assert list((tmp_path / "out" / "model" / "checkpoint").iterdir())
    assert "train stopped with exit code 143; this job is queued again" in log(tmp_path, "train")
    slurm.wait_for(lambda: '"restarts": 1' in told.read_text() and '"running"' in told.read_text(), 240)
    slurm.call("scontrol", "requeue", number)  # as preemption does
    slurm.wait_for(lambda: "SLURM has queued this job again" in log(tmp_path, "train"), 60)
    standing = json.loads(couloir(tmp_path, "status", "run.yaml", "--format", "json").stdout)
    states = {each["stage"]: (each["state"], each["remark"]) for each in standing["stages"]}
    assert states["train"] == ("waiting", "SLURM has queued its job again")
    assert states["catalog"][0] == states["report"][0] == "waiting"
    assert "cancelled" not in log(tmp_path, "train")


def test_a_job_that_its_user_cancels_does_not_come_back(slurm, archive, tmp_path):
    run_file(tmp_path, archive)
    number = submit(slurm, tmp_path)["detect"]
    slurm.wait_for(lambda: list((tmp_path / "out").glob("hold/*.json")), 240)
    slurm.call("scancel", number)
    slurm.wait_for(lambda: not slurm.jobs(), 240)
    assert slurm.state(number) == "CANCELLED"
    standing = json.loads(couloir(tmp_path, "status", "run.yaml", "--format", "json", code=3).stdout)
    states = {each["stage"]: each["state"] for each in standing["stages"]}
    assert states["detect"] == "failed"
    assert {states[stage] for stage in ("train", "catalog", "report")} == {"cancelled"}


def test_a_failed_stage_cancels_what_follows_and_says_so(slurm, archive, tmp_path):
    broken = tmp_path / "archive"
    shutil.copytree(archive, broken)
    for path in broken.rglob("*.D.*"):
        path.write_bytes(b"\0" * 4096)
    run_file(tmp_path, broken)
    jobs = submit(slurm, tmp_path)
    slurm.wait_for(lambda: slurm.state(jobs["report"]) == "CANCELLED", 240)
    assert slurm.state(jobs["detect"]) == "FAILED"
    assert slurm.state(jobs["train"]) == "CANCELLED"
    told = log(tmp_path, "detect")
    assert (
        "failed: exit code 3, and its log says why; what waits for it is cancelled: training, catalog, r" in told
    )


def test_a_node_without_the_interface_fails_the_stage_at_once_and_says_why(slurm, archive, tmp_path):
    run_file(tmp_path, archive, interface="ib9")
    jobs = submit(slurm, tmp_path)
    slurm.wait_for(lambda: slurm.state(jobs["report"]) == "CANCELLED", 240)
    assert slurm.state(jobs["detect"]) == "FAILED"
    assert "Restarts=0" in slurm.call("scontrol", "show", "job", jobs["detect"])
    told = log(tmp_path, "detect")
    assert "compute.slurm.interface (ib9) on " in told
    assert "Traceback" not in told
    assert "memory" not in told
    status = couloir(tmp_path, "status", "run.yaml", code=3)
    assert "detect failed: exit code 1, and its log says why" in status.stderr


def test_tasks_that_cannot_begin_are_not_queued_again_whichever_of_them_srun_kills(slurm, archive, tmp_path):
    run_file(tmp_path, archive)
    jobs = submit(slurm, tmp_path, "--set", "compute.dashboard=10.9.9.9:8787")  # where no node listens
    slurm.wait_for(lambda: slurm.state(jobs["report"]) == "CANCELLED", 240)
    assert slurm.state(jobs["detect"]) == "FAILED"
    assert "Restarts=0" in slurm.call("scontrol", "show", "job", jobs["detect"])
    told = log(tmp_path, "detect")
    assert re.search(r"a task of the allocation cannot begin on .*Cannot assign requested address", told)
    assert "Traceback" not in told
    assert "memory" not in told
    assert "detect failed: exit code 1, " in couloir(tmp_path, "status", "run.yaml", code=3).stderr


def test_a_prologue_that_ends_the_job_is_told_by_the_status(slurm, archive, tmp_path):
    run_file(tmp_path, archive, prologue=["cd /", "ls /no/such/module || exit 4"])
    jobs = submit(slurm, tmp_path)
    slurm.wait_for(lambda: slurm.state(jobs["report"]) == "CANCELLED", 240)
    assert slurm.state(jobs["detect"]) == "FAILED"
    status = couloir(tmp_path, "status", "run.yaml", code=3)
    assert "detect failed: its prologue ended the job with exit code 4" in status.stderr


def test_a_container_that_does_not_start_is_told_by_the_status(slurm, archive, tmp_path):
    (tmp_path / "image").mkdir()
    run_file(tmp_path, archive, container="charliecloud", image="image")
    jobs = submit(slurm, tmp_path)
    slurm.wait_for(lambda: slurm.state(jobs["report"]) == "CANCELLED", 240)
    assert slurm.state(jobs["detect"]) == "FAILED"
    status = couloir(tmp_path, "status", "run.yaml", code=3)
    assert "detect failed: exit code " in status.stderr
    assert f"SLURM job {jobs['detect']}" in status.stdout


def test_what_slurm_refuses_is_shown_with_the_script_and_nothing_is_left(slurm, archive, tmp_path):
    run_file(tmp_path, archive, training={"partition": "nowhere", "walltime": "00:10:00"})
    told = couloir(tmp_path, "submit", "slurm", "run.yaml", code=1).stderr
    assert "SLURM refuses the job of train: " in told
    assert "invalid partition specified: nowhere" in told
    assert "#SBATCH --partition=nowhere" in told
    assert not slurm.jobs()
    assert not (tmp_path / "couloir-jobs").exists()


@pytest.mark.parametrize("workers_as", ["tasks", "jobs"])
def test_a_dry_run_prints_what_would_be_submitted_and_submits_nothing(workers_as, slurm, archive, tmp_path):
    run_file(tmp_path, archive, workers_as=workers_as)
    told = couloir(tmp_path, "submit", "slurm", "run.yaml", "--dry-run").stdout
    assert not slurm.jobs()
    assert not (tmp_path / "couloir-jobs").exists()
    files = dict(part.split(" <==\n", 1) for part in told.split("==> ")[1:])
    if workers_as == "jobs":
        worker = next(files.pop(head) for head in list(files) if "worker.sh" in head)
        assert "#SBATCH --cpus-per-task=1" in worker
        assert "tls://SCHEDULER:PORT --name WORKER " in worker
    heads = {Path(head.split()[-1]).name: head for head in files}
    assert list(heads) == ["run.yaml", "detect.sh", "train.sh", "report.sh"]
    assert heads["detect.sh"].startswith("sbatch --parsable < /")
    held = "sbatch --parsable --dependency=afterok:JOB_OF_DETECT --kill-on-invalid-dep=yes "
    assert heads["train.sh"].startswith(held)
    for head, text in files.items():
        if head.endswith(".sh"):
            checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
    assert ComputeConfig.model_validate(yaml.safe_load(files[next(iter(files))])["compute"]).kind == "slurm"


def test_kind_slurm_outside_of_an_allocation_says_what_to_do(archive, tmp_path):
    run_file(tmp_path, archive)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    command = [*COULOIR, "detect", "run.yaml", "--set", "compute.kind=slurm"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "runs within an allocation, started by srun: `couloir submit slurm` does that" in done.stderr
