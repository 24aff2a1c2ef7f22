"""Speak with SLURM through its own commands."""

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from couloir.errors import ClusterError

_OF_USERS = ("SLURM_CLUSTERS", "SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")
"""What a user sets for SLURM's commands: where it is, and who asks."""


@dataclass(frozen=True)
class Script:
    """Hold a job before it is submitted.

    Attributes
    ----------
    name : str
        The stage that it runs.
    text : str
        A shell script with ``#SBATCH`` lines.
    """

    name: str
    text: str


def check_script(script: Script) -> None:
    """Let SLURM say whether it would take a job, without submitting it.

    Raises
    ------
    ClusterError
        With its refusal and the script.
    """
    _sbatch(script, ["--test-only"])


def sbatch_options(*, after: str | None = None) -> list[str]:
    """Give the options with which a job is submitted.

    Parameters
    ----------
    after : str, optional
        The job that must have ended well first; if it does not, this one is cancelled.
    """
    held = [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"] if after else []
    return ["--parsable", *held]


def submit(script: Script, *, after: str | None = None) -> str:
    """Submit a job, and give its number.

    Raises
    ------
    ClusterError
        With SLURM's refusal and the script.
    """
    return _sbatch(script, sbatch_options(after=after)).strip().partition(";")[0]


def cancel(numbers: Collection[str]) -> None:
    """Cancel jobs."""
    _call(["scancel", *numbers])


def queued_jobs(numbers: Collection[str]) -> set[str]:
    """Ask which of this user's jobs wait or run; all that were asked for, where SLURM does not answer."""
    told = _call(["squeue", "--noheader", "--format=%i", "--me"])
    return set(told.stdout.split()) if told.returncode == 0 else set(numbers)


def under_way(numbers: Collection[str]) -> set[str]:
    """Ask which jobs that were submitted for a run wait or run, whoever submitted them.

    None where SLURM does not answer, or is not here, and those whose number a later job has by now.
    """
    try:
        told = _call(["squeue", "--noheader", "--format=%i %j", f"--jobs={','.join(numbers)}"])
    except ClusterError:
        return set()
    queued = (line.partition(" ") for line in told.stdout.splitlines())
    return {number for number, _, name in queued if name.startswith("couloir-")}


def _sbatch(script: Script, options: Sequence[str]) -> str:
    told = _call(["sbatch", *options], script.text, _outside_of_jobs(os.environ))
    if told.returncode:
        numbered = "\n".join(f"{number:4} {line}" for number, line in enumerate(script.text.splitlines(), start=1))
        raise ClusterError(f"SLURM refuses the job of {script.name}: {told.stderr.strip()}\n\n{numbered}")
    return told.stdout


def _outside_of_jobs(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what SLURM says of the job that this runs in, if any: it would be taken for the new job's."""
    within = "SLURM_JOB_ID" in environment
    told = {name for name in environment if within and name.startswith("SLURM_") and name not in _OF_USERS}
    return {name: value for name, value in environment.items() if name not in told}


def _call(
    command: Sequence[str], given: str = "", environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    path = shutil.which(command[0])
    if path is None:
        raise ClusterError(f"there is no {command[0]} here: this is to be run on a login node of a SLURM cluster")
    return subprocess.run(  # noqa: S603
        [path, *command[1:]], input=given, capture_output=True, text=True, check=False, env=environment
    )
