"""Write the scripts of a run's jobs on SLURM: detection, training, catalog and report."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from couloir.compute.dask_pool import WORKER_ENVIRONMENT
from couloir.compute.slurm import Script
from couloir.compute.slurm_jobs import megabytes
from couloir.config import ComputeConfig
from couloir.sites import SlurmConfig

_SERVERS = 2
"""Tasks of an allocation that are no workers: the scheduler, and the run itself."""
_SMALL_MB = 4096
"""Memory of a job that looks after others, or writes tables, MiB."""
_STOP_ONE = "kill -TERM $work"
_STOP_TASKS = 'scancel --signal=TERM "$SLURM_JOB_ID.0"'
"""How all tasks are told to stop: srun itself does not pass SIGTERM on, but kills them."""
_DEATHS = 3
"""How often a stage that was killed, and not told to stop, is tried again."""


@dataclass(frozen=True)
class JobFolder:
    """Say where a submission has its files.

    Attributes
    ----------
    path : Path
        Scripts, logs and certificates; absolute.
    binds : tuple of str
        Folders that a container must see.
    """

    path: Path
    binds: tuple[str, ...] = ()

    @property
    def run_file(self) -> Path:
        """The run's settings as they were when it was submitted."""
        return self.path / "run.yaml"

    def log(self, stage: str) -> Path:
        """Name a stage's log; ``%j`` is the job's number."""
        return self.path / f"{stage}-%j.log"


def detection_script(compute: ComputeConfig, folder: JobFolder, *, options: Sequence[str] = ()) -> Script:
    """Write the job that detects, with its workers or submitting them."""
    slurm, workers = compute.slurm, compute.workers or 1
    if slurm.workers_as == "tasks":
        per_core = -(-megabytes(compute) // slurm.cores)
        size = [f"--ntasks={workers + _SERVERS}", f"--cpus-per-task={slurm.cores}", f"--mem-per-cpu={per_core}M"]
        start, stop = "srun --kill-on-bad-exit=1 ", _STOP_TASKS
    else:
        size = ["--ntasks=1", f"--cpus-per-task={slurm.cores}", f"--mem={_SMALL_MB}M"]
        start, stop = "", _STOP_ONE
    environment = [f"export {name}={value}" for name, value in WORKER_ENVIRONMENT.items()]
    command = f"{start}{_couloir(slurm, folder, slurm.image)} detect run.yaml {shlex.join(options)}".rstrip()
    return _script(
        "detect",
        folder,
        head=[*_place(slurm, slurm.partition, slurm.walltime), *size, *slurm.directives],
        setup=[*environment, *slurm.prologue],
        commands=[command],
        slurm=slurm,
        then="; training, catalog and report, which wait for it, are cancelled",
        stop=stop,
    )


def training_script(slurm: SlurmConfig, folder: JobFolder, *, options: Sequence[str] = ()) -> Script:
    """Write the job that trains, on a GPU where one is asked for."""
    training = slurm.training
    size = ["--ntasks=1", f"--cpus-per-task={training.cores}", f"--mem={_mebibytes(training.memory_gb)}M"]
    if training.gres:
        size.append(f"--gres={training.gres}")
    couloir = _couloir(slurm, folder, training.image or slurm.image, gpu=training.gres is not None)
    return _script(
        "train",
        folder,
        head=[
            *_place(slurm, training.partition or slurm.partition, training.walltime),
            *size,
            *slurm.directives,
            *training.directives,
        ],
        setup=list(training.prologue or slurm.prologue),
        commands=[f"{couloir} train run.yaml {shlex.join(options)}".rstrip()],
        slurm=slurm,
        then="; catalog and report, which wait for it, are cancelled",
    )


def report_script(slurm: SlurmConfig, folder: JobFolder, *, stages: Sequence[str]) -> Script:
    """Write the job that makes the catalog and the report, on CPUs."""
    training = slurm.training
    couloir = _couloir(slurm, folder, training.image or slurm.image)
    memory = max(_SMALL_MB, _mebibytes(training.memory_gb) // 2)
    return _script(
        "report",
        folder,
        head=[
            *_place(slurm, slurm.partition, slurm.walltime),
            "--ntasks=1",
            f"--cpus-per-task={training.cores}",
            f"--mem={memory}M",
            *slurm.directives,
        ],
        setup=list(training.prologue or slurm.prologue),
        commands=[f"{couloir} {stage} run.yaml" for stage in stages],
        slurm=slurm,
        then="",
    )


def _place(slurm: SlurmConfig, partition: str | None, walltime: str) -> list[str]:
    named = {"partition": partition, "account": slurm.account, "qos": slurm.qos}
    given = [f"--{name}={value}" for name, value in named.items() if value]
    return [*given, f"--time={walltime}", "--requeue", f"--signal=B:TERM@{slurm.warn_s}"]


def _script(
    stage: str,
    folder: JobFolder,
    *,
    head: Iterable[str],
    setup: Iterable[str],
    commands: Iterable[str],
    slurm: SlurmConfig,
    then: str,
    stop: str = _STOP_ONE,
) -> Script:
    """Put a job together: what it asks for, sets up and runs, and what follows from how that ended."""
    where = shlex.quote(str(folder.path))
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name=couloir-{stage}",
        f"#SBATCH --output={shlex.quote(str(folder.log(stage)))}",
        "#SBATCH --open-mode=append",
        *(f"#SBATCH {option}" for option in head),
        "",
        f"cd {where} || exit 1",
        'unset "${!COULOIR_@}"  # run.yaml holds what they set when this was submitted',
        "",
        _FOLLOW.format(stage=stage, then=then, stop=stop, requeues=slurm.requeues, deaths=_DEATHS).strip("\n"),
        "",
        *setup,
        *([_MOUNT_POINTS] if slurm.container == "charliecloud" else []),
        *(f"follow {command}" for command in commands),
        f'echo "couloir: {stage} is done"',
    ]
    return Script(stage, "\n".join(lines) + "\n")


_FOLLOW = """
# SLURM tells this script when its time is nearly up. Then the stage stops in order, and this job is queued again.
told='' work=''
trap 'told=yes; [ -z "$work" ] || {stop}' TERM

again() {{
    if [ "$(squeue --noheader --job "$SLURM_JOB_ID" --format=%T)" != RUNNING ]; then
        echo "couloir: {stage} was cancelled"
    elif [ "${{SLURM_RESTART_COUNT:-0}}" -ge {requeues} ]; then
        echo "couloir: {stage} was queued {requeues} times (compute.slurm.requeues), and is not any more"
    elif [ -e {stage}.deaths ] && [ "$(wc -l < {stage}.deaths)" -gt {deaths} ]; then
        echo "couloir: {stage} was killed again and again, for want of memory perhaps"
    else
        echo "couloir: {stage} stopped with exit code $1; this job is queued again, and goes on from there"
        if scontrol requeue "$SLURM_JOB_ID"; then sleep 600; exit "$1"; fi
    fi
}}

follow() {{
    local code=0
    [ -z "$told" ] || again 143
    "$@" & work=$!
    wait $work || code=$?
    while kill -0 $work 2>/dev/null; do code=0; wait $work || code=$?; done
    work=''
    [ $code -ne 0 ] || return 0
    [ $code -le 128 ] || [ $code -eq 143 ] || echo $code >> {stage}.deaths
    [ $code -le 128 ] || again $code
    echo "couloir: {stage} failed with exit code $code{then}"
    exit $code
}}
"""


_MOUNT_POINTS = """\
writable=--write  # folders that are bound need a place in the image; newer versions make it beside the image
ch-run --help 2>&1 | grep -q -e --write-fake && writable=--write-fake"""


def _couloir(slurm: SlurmConfig, folder: JobFolder, image: str | None, *, gpu: bool = False) -> str:
    """Name the command, in its container if there is one."""
    if slurm.container == "none" or image is None:
        return f"{shlex.quote(sys.executable)} -m couloir.cli"
    binds = dict.fromkeys((str(folder.path), *folder.binds, *slurm.binds))
    name, where = shlex.quote(image), shlex.quote(str(folder.path))
    if slurm.container == "apptainer":
        options = [f"--bind {shlex.quote(bind)}" for bind in binds]
        return " ".join(["apptainer exec", *(["--nv"] if gpu else []), *options, name, "couloir"])
    paired = [bind if ":" in bind else f"{bind}:{bind}" for bind in binds]
    if slurm.container == "charliecloud":
        options = [f"--bind={shlex.quote(pair)}" for pair in paired]
        return " ".join(
            [
                "ch-run --set-env $writable",
                *options,
                f"--cd={shlex.quote(str(folder.path))}",
                name,
                "-- couloir",
            ]
        )
    options = [f"--volume={shlex.quote(pair)}" for pair in paired]
    device = ["--device=nvidia.com/gpu=all"] if gpu else []
    return " ".join(
        [
            "podman run --rm --env-host --network=host --entrypoint=couloir",
            *device,
            *options,
            f"--workdir={where}",
            name,
        ]
    )


def _mebibytes(gigabytes: float) -> int:
    return round(gigabytes * 1e9 / 2**20)
