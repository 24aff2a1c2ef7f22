"""What is asked of SLURM by each setting, and what is refused before anything is sent."""

import shlex
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from couloir.compute.slurm import Script
from couloir.compute.slurm_jobs import job_options
from couloir.compute.slurm_scripts import JobFolder, detection_script, report_script, training_script
from couloir.config import ComputeConfig
from couloir.config.slurm import SlurmConfig, seconds_of
from couloir.store.location import Location
from couloir.store.progress import read_progress

FOLDER = JobFolder(Path("/jobs/my run"), binds=("/archive",))


def compute(**slurm) -> ComputeConfig:
    return ComputeConfig(kind="slurm", workers=5, memory_gb=2.0, slurm=SlurmConfig(**slurm))


def asked(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")]


def command(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("follow ")]
    return line


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("02:00:00", 7200),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("2-0:0:1", 172_801),
    ],
)
def test_walltimes_are_read_as_slurm_reads_them(walltime, seconds):
    assert seconds_of(walltime) == seconds


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"walltime": 14_400}, "write a walltime in quotes"),
        ({"walltime": "four hours"}, "is no walltime"),
        ({"walltime": "00:01:00"}, "must be longer than warn_s"),
        ({"walltime": "0"}, "is no time at all"),
        ({"partition": "cpu; rm -rf"}, "String should match pattern"),
        ({"directives": ["exclusive"]}, "is no option of sbatch"),
        ({"directives": ["--time=1:00"]}, "--time is set by `walltime`"),
        ({"directives": ["--x\nrm -rf ~"]}, "must be one line"),
        ({"prologue": ["module load a\nb"]}, "must be one line"),
        ({"container": "apptainer"}, "needs `image`"),
        ({"image": "a.sif"}, "need `container`"),
        ({"container": "docker", "image": "a"}, "Input should be 'none', 'apptainer', 'charliecloud' or 'podman'"),
        ({"container": "podman", "image": "a", "workers_as": "jobs"}, "in which there is no sbatch"),
        ({"directives": ["-n4"]}, "-n is set by compute.workers"),
        ({"directives": ["-e", "x.err"]}, "is set by couloir itself"),
        ({"directives": ["--error=x.err"]}, "--error is set by couloir itself"),
        ({"directives": ["--part=x"]}, "--part is set by `partition`"),
        ({"directives": ["--array=0-9"]}, "would not find each other"),
        ({"prologue": ["export AWS_SECRET_ACCESS_KEY=abc"]}, "is a credential and does not belong in a run file"),
        ({"adaptive": True}, "adaptive goes with workers_as jobs"),
        ({"partitoin": "cpu"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_go_well_are_refused(settings, told):
    with pytest.raises(ValidationError, match=told):
        SlurmConfig(**settings)


def test_each_setting_is_in_the_script():
    site = {
        "partition": "cpu",
        "account": "slope",
        "qos": "long",
        "walltime": "1-00:00:00",
        "cores": 2,
        "job_memory_gb": 4.0,
        "directives": ["--exclude=n7"],
        "prologue": ["module load python"],
        "warn_s": 90,
    }
    text = detection_script(compute(**site), FOLDER, options=["--redo"]).text
    lines = asked(text)
    for line in ("--partition=cpu", "--account=slope", "--qos=long", "--time=1-00:00:00", "--exclude=n7"):
        assert line in lines
    assert "--output='/jobs/my run/detect-%j.log'" in lines
    assert {"--ntasks=7", "--cpus-per-task=2", "--mem-per-cpu=1908M", "--signal=B:TERM@90"} <= set(lines)
    assert text.index("module load python") < text.index("\nfollow detect srun")
    assert command(text).endswith("-m couloir.cli detect run.yaml --redo")


def test_training_asks_for_a_gpu_on_its_own_partition_and_the_report_does_not():
    site = SlurmConfig(partition="cpu", training={"partition": "gpu", "walltime": "02:00:00", "cores": 3})
    lines = asked(training_script(site, FOLDER).text)
    assert {"--partition=gpu", "--gres=gpu:1", "--time=02:00:00", "--cpus-per-task=3"} <= set(lines)
    lines = asked(report_script(site, FOLDER, stages=("catalog", "report")).text)
    assert "--partition=cpu" in lines
    assert not [line for line in lines if "gres" in line]
    on_cpus = SlurmConfig(training={"gres": None})
    assert not [line for line in asked(training_script(on_cpus, FOLDER).text) if "gres" in line]


RUNTIMES = {
    "apptainer": "apptainer exec {nv}--bind '/jobs/my run' --bind /archive --bind /a:/b {image} couloir",
    "charliecloud": (
        "ch-run --set-env $writable --bind='/jobs/my run:/jobs/my run' --bind=/archive:/archive --bind=/a:/b "
        "--cd='/jobs/my run' {image} -- couloir"
    ),
    "podman": (
        "podman run --rm --env-host --network=host --entrypoint=couloir --user=0:0 {gpus}"
        "--volume='/jobs/my run:/jobs/my run' --volume=/archive:/archive --volume=/a:/b "
        "--workdir='/jobs/my run' {image}"
    ),
}


def test_training_may_have_an_account_and_ask_for_its_gpu_in_another_way():
    training = {"account": "abc@v100", "qos": "gpu/long", "gres": None, "directives": ["--gpus=1"], "memory_gb": 0}
    site = {"account": "abc@cpu", "container": "apptainer", "image": "image", "job_memory_gb": 0}
    text = training_script(SlurmConfig(**site, training=training), FOLDER).text
    assert {"--account=abc@v100", "--qos=gpu/long", "--gpus=1"} <= set(asked(text))
    assert "apptainer exec --nv" in command(text)
    assert "--mem" not in text
    assert "--account=abc@cpu" in asked(detection_script(compute(**site), FOLDER).text)
    assert "--mem" not in detection_script(compute(**site), FOLDER).text


@pytest.mark.parametrize("container", RUNTIMES)
def test_a_container_sees_what_the_run_reads_and_writes(container):
    site = {"container": container, "image": "image", "binds": ["/a:/b"], "training": {"image": "big"}}
    expected = RUNTIMES[container].format(image="image", nv="", gpus="")
    detects = command(detection_script(compute(**site), FOLDER).text)
    srun = "srun --export=ALL --cpus-per-task=1 --kill-on-bad-exit=1"
    assert detects == f"follow detect {srun} {expected} detect run.yaml"
    expected = RUNTIMES[container].format(image="big", nv="--nv ", gpus="--device=nvidia.com/gpu=all ")
    assert command(training_script(SlurmConfig(**site), FOLDER).text) == f"follow train {expected} train run.yaml"


def test_workers_that_are_jobs_end_before_their_walltime_and_not_all_at_once(tmp_path):
    options = job_options(compute(workers_as="jobs", walltime="01:00:00", warn_s=60), tmp_path)
    arguments = options["worker_extra_args"]
    assert arguments[:4] == ["--lifetime", "3480s", "--lifetime-stagger", "60s"]
    with pytest.raises(ValidationError, match="too short for workers"):
        compute(workers_as="jobs", walltime="00:05:00", warn_s=120)


FOLLOWED = """
function squeue() {{ echo {state}; }}
function timeout() {{ shift; "$@"; }}
function scontrol() {{ echo "asked: $*"; }}
function sleep() {{ :; }}
function apptainer() {{ echo "told: ${{*: -3}}"; return {starts}; }}
SLURM_JOB_ID=7
SLURM_RESTART_COUNT={restarts}
{functions}
{before}
follow {stage} bash -c 'exit {code}'
echo went on
"""


def followed(script, folder, *, code, restarts=0, state="RUNNING", before="", starts=0):
    """Run what follows from the way in which a stage ended; ``starts`` is the exit code of its container."""
    text = script.text.replace(shlex.quote(str(FOLDER.path)), shlex.quote(str(folder)))
    functions = text[text.index("couloir_folder=") : text.index("\n}\n", text.index("follow() {")) + 3]
    given = {"stage": script.name, "state": state, "restarts": restarts, "code": code}
    given |= {"before": before, "starts": starts}
    whole = FOLLOWED.format(functions=functions, **given)
    return subprocess.run(["bash", "-uc", whole], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("code", "restarts", "state", "told"),
    [
        (0, 0, "RUNNING", "went on"),
        (143, 0, "RUNNING", "asked: requeue 7"),
        (143, 0, "''", "asked: requeue 7"),  # SLURM's controller does not answer
        (137, 0, "RUNNING", "asked: requeue 7"),
        (143, 50, "RUNNING", "queued 50 times (compute.slurm.requeues), and not any more"),
        (143, 0, "COMPLETING 0", "train failed: cancelled with its job"),
        (143, 1, "COMPLETING 1", "train failed: cancelled with its job"),
        (
            3,
            0,
            "RUNNING",
            "failed: exit code 3, and its log says why; what waits for it is cancelled: catalog, rep",
        ),
    ],
)
def test_how_a_stage_ended_decides_what_becomes_of_its_job(code, restarts, state, told, tmp_path):
    site = SlurmConfig(container="apptainer", image="image")
    script = training_script(site, FOLDER, followers=("catalog", "report"))
    done = followed(script, tmp_path, code=code, restarts=restarts, state=state)
    assert told in done.stdout
    assert ("went on" in done.stdout) == (code == 0)
    assert done.returncode == code
    assert "failed" not in done.stdout or "asked" not in done.stdout
    assert ("told: train run.yaml" in done.stdout) == (code != 0 and "asked" not in done.stdout)
    assert not list(tmp_path.glob("*.failed"))


def test_a_job_that_slurm_itself_queues_again_has_not_failed(tmp_path):
    script = training_script(SlurmConfig(container="apptainer", image="image"), FOLDER, followers=("report",))
    for code in (143, 137):
        done = followed(script, tmp_path, code=code, restarts=1, state="COMPLETING 2")
        assert done.returncode == code
        assert "SLURM has queued this job again" in done.stdout
        assert "asked" not in done.stdout
        assert "failed" not in done.stdout
        assert (tmp_path / "train.queued").read_text().endswith(" SLURM has queued its job again\n")


def test_where_not_even_the_container_starts_the_script_itself_says_that_it_failed(tmp_path):
    script = training_script(SlurmConfig(container="apptainer", image="image"), FOLDER)
    told = followed(script, tmp_path, code=255, starts=255).stdout
    assert "requeue" not in told
    assert "memory" not in told
    assert "exit code 255, and its log says why" in (tmp_path / "train.failed").read_text()


def test_where_the_container_does_not_start_the_submitters_own_couloir_notes_the_failure(tmp_path):
    archive = f"{{url: {tmp_path}, start: 2024-01-01, end: 2024-01-02}}"
    (tmp_path / "run.yaml").write_text(f"archive: {archive}\noutput: {{url: {tmp_path / 'out'}}}\n")
    script = training_script(SlurmConfig(container="apptainer", image="image"), FOLDER)
    followed(script, tmp_path, code=255, starts=255)
    told = read_progress(Location(str(tmp_path / "out")), "train")
    assert (told.state, told.reason) == ("failed", "exit code 255, and its log says why")
    assert not list(tmp_path.glob("*.failed"))


def run_script(script: Script, folder: Path, *lines: str) -> subprocess.CompletedProcess:
    """Run a job's whole script in a folder of its own, with these lines as its prologue."""
    text = script.text.replace("PROLOGUE", "\n".join(lines))
    text = text.replace(shlex.quote(str(FOLDER.path)), shlex.quote(str(folder)))
    stand_ins = 'apptainer() { echo "told: $*"; return 255; }; sleep() { :; }; SLURM_JOB_ID=7; '
    stand_ins += 'scancel() { :; }; timeout() { shift; "$@"; }; '
    stand_ins += 'squeue() { echo RUNNING; }; scontrol() { echo "asked: $*"; }\n'
    command = ["bash", "-c", stand_ins + text]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["exit 4"], 4),
        (["cd /", "set -e", "false"], 1),
        (["exit 0"], 1),
        (["cd /", ": ${NOT_SET_ANYWHERE:?wanted}"], 127),
    ],
)
def test_a_prologue_that_ends_its_job_fails_the_stage(lines, code, tmp_path):
    site = SlurmConfig(container="apptainer", image="image", prologue=["PROLOGUE"])
    done = run_script(training_script(site, FOLDER), tmp_path, *lines)
    assert done.returncode == code
    assert "its prologue ended the job with exit code" in (tmp_path / "train.failed").read_text()
    assert "asked: requeue" not in done.stdout


def test_a_prologue_that_ends_its_job_is_told_with_charliecloud_too(tmp_path):
    site = SlurmConfig(container="charliecloud", image="image", prologue=["PROLOGUE"])
    done = run_script(training_script(site, FOLDER), tmp_path, "set -u", "exit 4")
    assert done.returncode == 4
    assert "unbound" not in done.stderr
    assert "its prologue ended the job with exit code 4" in (tmp_path / "train.failed").read_text()


def test_what_a_prologue_does_at_the_end_is_done(tmp_path):
    site = SlurmConfig(container="apptainer", image="image", prologue=["PROLOGUE"])
    lines = ["apptainer() { :; }", "trap 'echo cleaned up' EXIT"]
    done = run_script(training_script(site, FOLDER), tmp_path, *lines)
    assert done.stdout.splitlines()[-2:] == ["couloir: train is done", "cleaned up"]


def test_a_job_that_slurm_does_not_queue_again_has_failed_and_says_so_once(tmp_path):
    script = training_script(SlurmConfig(container="apptainer", image="image"), FOLDER)
    done = followed(script, tmp_path, code=143, before="scontrol() { return 1; }")
    assert done.returncode == 143
    assert done.stdout.count("queued again") == 1
    assert "failed: stopped, and SLURM does not queue it again" in done.stdout
    assert not (tmp_path / "train.killed").exists()


@pytest.mark.parametrize(
    ("stages", "starts", "failed"),
    [
        (("catalog", "report"), "never", "catalog"),
        (("catalog", "report"), "once", "report"),
        (("assign",), "never", "catalog"),
    ],
)
def test_the_last_job_tells_which_of_its_stages_failed(stages, starts, failed, tmp_path):
    site = SlurmConfig(container="apptainer", image="image", prologue=["PROLOGUE"])
    container = "apptainer() { mkdir once 2>/dev/null; }" if starts == "once" else ":"
    done = run_script(report_script(site, FOLDER, stages=stages), tmp_path, container)
    assert f"couloir: {failed} failed: exit code " in done.stdout
    assert [path.name for path in tmp_path.glob("*.failed")] == [f"{failed}.failed"]


def test_a_prologue_that_is_told_to_stop_is_no_failure(tmp_path):
    site = SlurmConfig(container="apptainer", image="image", prologue=["PROLOGUE"])
    done = run_script(training_script(site, FOLDER), tmp_path, "kill -TERM $$", "exit 1")
    assert "asked: requeue 7" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["train.queued"]


def test_a_warning_before_there_are_tasks_is_given_again_until_they_have_it(tmp_path):
    srun = "srun() { kill -TERM $$; until [ -e asked2 ]; do command sleep 0.1; done; return 143; }"
    scancel = "scancel() { if [ -e asked1 ]; then touch asked2; else touch asked1; fi; }"
    script = detection_script(compute(prologue=["PROLOGUE"]), FOLDER)
    assert "asked: requeue 7" in run_script(script, tmp_path, srun, scancel).stdout


def test_a_warning_that_slurm_is_slow_to_deliver_is_not_lost(tmp_path):
    srun = (
        "srun() { touch scheduler-7-0.json.began; kill -TERM $$; for _ in {1..150}; do [ ! -e asked ] || break; "
        "command sleep 0.1; done; [ -e asked ] || return 1; echo 143 > scheduler-7-0.json.ended; }"
    )
    slow = tmp_path / "bin" / "scancel"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\n/bin/sleep 6\ntouch asked\n")
    slow.chmod(0o755)
    lines = [f"PATH={shlex.quote(str(slow.parent))}:$PATH", "unset -f scancel timeout", srun]
    done = run_script(detection_script(compute(prologue=["PROLOGUE"]), FOLDER), tmp_path, *lines)
    assert "detect stopped with exit code 143; this job is queued again" in done.stdout
    assert not (tmp_path / "detect.killed").exists()


@pytest.mark.parametrize("line", ["IFS=$'\\n\\t'", "set -o posix", "folder=/nowhere", "times() { :; }"])
def test_what_a_prologue_sets_changes_nothing_of_how_a_stage_is_followed(line, tmp_path):
    site = SlurmConfig(container="apptainer", image="image", prologue=["PROLOGUE"])
    squeue = "squeue() { printf '%-20s%-20s\\n' RUNNING 0; }"
    lines = [squeue, "apptainer() { return 137; }", line]
    told = [run_script(training_script(site, FOLDER), tmp_path, *lines) for _ in range(4)]
    assert ["asked: requeue" in each.stdout for each in told] == [True, True, True, False]
    assert "killed again and again" in (tmp_path / "train.failed").read_text()


def test_a_run_that_has_stopped_is_followed_at_once_and_not_when_all_tasks_have_ended(tmp_path):
    srun = (
        "srun() { touch scheduler-7-0.json.began; echo 143 > scheduler-7-0.json.ended; kill -TERM $$; "
        "until [ -e requeued ]; do command sleep 0.1; done; }"
    )
    script = detection_script(compute(prologue=["PROLOGUE"]), FOLDER)
    done = run_script(script, tmp_path, srun, "scontrol() { touch requeued; echo asked: $*; }")
    assert "asked: requeue 7" in done.stdout


def test_a_stage_that_is_told_to_stop_is_waited_for_and_its_end_counts(tmp_path):
    site = SlurmConfig(container="apptainer", image="image", prologue=["PROLOGUE"])
    container = "apptainer() { trap '' TERM; kill -TERM $$; command sleep 0.5; return 0; }"
    assert run_script(training_script(site, FOLDER), tmp_path, container).stdout.endswith("train is done\n")


def test_a_careful_prologue_changes_nothing_of_how_a_stage_is_followed(tmp_path):
    site = SlurmConfig(container="apptainer", image="image", prologue=["PROLOGUE"])
    done = run_script(training_script(site, FOLDER), tmp_path, "set -euo pipefail", "apptainer() { return 0; }")
    assert done.returncode == 0
    assert done.stdout.endswith("couloir: train is done\n")
    done = run_script(training_script(site, FOLDER), tmp_path, "set -euo pipefail", "apptainer() { return 137; }")
    assert "asked: requeue 7" in done.stdout
    srun = "srun() { touch scheduler-7-0.json.began; kill -TERM $$; command sleep 0.5; return 143; }"
    script = detection_script(compute(prologue=["PROLOGUE"]), FOLDER)
    done = run_script(script, tmp_path, "set -euo pipefail", "scancel() { return 1; }", srun)
    assert "asked: requeue 7" in done.stdout


@pytest.mark.parametrize(
    ("written", "srun", "told"),
    [
        # a worker was killed for want of memory, and replaced; the run came to its end
        ({"began": "", "ended": "0\n"}, 1, "went on"),
        # srun tells of the tasks that it killed itself
        ({"began": "", "ended": "3\n"}, 137, "detect failed: exit code 3"),
        ({"began": "", "ended": "143\n"}, 137, "detect stopped with exit code 143; this job is queued again"),
        # the run itself was killed
        ({"began": ""}, 1, "detect stopped with exit code 137; this job is queued again"),
        ({"began": "", "ended": ""}, 1, "detect stopped with exit code 137; this job is queued again"),
        # a task could not begin and said so, or was killed: srun has told the run to stop
        ({"ended": "1\n"}, 143, "detect failed: exit code 1"),
        ({"ended": "143\n"}, 143, "detect stopped with exit code 143; this job is queued again"),
        # it never began: its settings, its image or its module are wrong
        ({}, 1, "detect failed: exit code 1"),
        ({}, 127, "detect failed: exit code 127"),
        ({}, 137, "detect failed: exit code 137"),  # srun has killed the other tasks, and tells of one
        ({}, 143, "detect stopped with exit code 143; this job is queued again"),
        ({}, 253, "detect stopped with exit code 253; this job is queued again"),
        ({}, 75, "detect stopped with exit code 75; this job is queued again"),
        ({}, 0, "went on"),
    ],
)
def test_what_the_run_says_of_its_end_counts_for_more_than_what_srun_does(written, srun, told, tmp_path):
    for ending, text in written.items():
        (tmp_path / f"scheduler-7-0.json.{ending}").write_text(text)
    assert told in followed(detection_script(compute(), FOLDER), tmp_path, code=srun).stdout


def test_tasks_that_cannot_begin_again_and_again_are_not_tried_for_ever(tmp_path):
    (tmp_path / "scheduler-7-0.json.ended").write_text("143\n")
    script = detection_script(compute(), FOLDER)
    told = [followed(script, tmp_path, code=143).stdout for _ in range(4)]
    assert ["asked: requeue" in text for text in told] == [True, True, True, False]


def test_a_stage_that_is_killed_again_and_again_is_not_tried_for_ever(tmp_path):
    told = [followed(training_script(SlurmConfig(), FOLDER), tmp_path, code=137).stdout for _ in range(5)]
    assert ["requeue" in text for text in told] == [True, True, True, False, False]
    assert "for want of memory perhaps" in told[-1]


def test_a_stage_that_is_held_up_again_and_again_is_not_tried_for_ever_nor_was_it_killed(tmp_path):
    followed(training_script(SlurmConfig(), FOLDER), tmp_path, code=137)
    told = [followed(training_script(SlurmConfig(), FOLDER), tmp_path, code=75).stdout for _ in range(4)]
    assert ["requeue" in text for text in told] == [True, True, True, False]
    assert "another run holds the output, or the cluster is gone" in told[-1]
    assert "memory" not in told[-1]


def test_the_signal_is_listened_to_before_the_prologue_and_the_folder_entered_after_it():
    text = detection_script(compute(prologue=["cd /elsewhere"]), FOLDER).text
    before, after = text.split("cd /elsewhere")
    assert "trap 'told=yes" in before
    assert after.index("cd '/jobs/my run'") < after.index("\nfollow ")


def test_a_stage_that_was_told_to_stop_was_not_killed_however_it_ended(tmp_path):
    script = training_script(SlurmConfig(), FOLDER)
    for _ in range(5):
        assert "asked: requeue" in followed(script, tmp_path, code=137, before="kill -TERM $$").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["train.queued"]


def test_a_stage_that_stopped_in_order_was_not_killed_whoever_told_it(tmp_path):
    script = training_script(SlurmConfig(), FOLDER)
    for _ in range(5):
        assert "asked: requeue" in followed(script, tmp_path, code=143).stdout
    assert [path.name for path in tmp_path.iterdir()] == ["train.queued"]
