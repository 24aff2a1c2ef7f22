"""Refuse to submit what is under way already: one run would wait for the other, and do nothing."""

import time

from couloir.compute import kubectl, slurm
from couloir.compute.kubernetes_run import LABEL
from couloir.config import RunConfig
from couloir.errors import ClusterError, HeldError
from couloir.stages.settings import output_of
from couloir.store.hold import read_holder
from couloir.store.holder import STALE_S
from couloir.store.submission import Submission, read_submission


def refuse_twice(config: RunConfig) -> None:
    """Refuse to submit a run whose output another holds, or is submitted for.

    A cluster that is not reached from here is not asked.

    Raises
    ------
    ClusterError
        When what was submitted before still waits or runs, on whichever cluster.
    HeldError
        When a run works on the output.
    """
    output = output_of(config)
    before = read_submission(output)
    if before is not None and (waiting := _still_there(before)):
        raise ClusterError(
            f"{output} was submitted on {before.at} by {before.user}, and {waiting}. See `couloir status`; to "
            f"submit anew: {_ending(before)}"
        )
    holder = read_holder(output)
    if holder is not None and holder.lives(time.time() - holder.sign):
        raise HeldError(
            f"{output} is held by {holder}: jobs that are submitted now may find it still held, and fail. Wait "
            "for it, stop it, or give another output.url. A run that died without a word holds it for "
            f"{STALE_S:.0f} s"
        )


def _still_there(before: Submission) -> str:
    """Say what of an earlier submission waits or runs; nothing where none does."""
    if before.cluster == "kubernetes":
        name = before.jobs["detect"]
        return f"{name} is still under way" if kubectl.is_under_way(before.namespace, name) else ""
    there = slurm.under_way(set(before.jobs.values()))
    return f"jobs {', '.join(sorted(there, key=int))} still wait or run" if there else ""


def _ending(before: Submission) -> str:
    """Give the command that ends an earlier submission."""
    if before.cluster == "kubernetes":
        return (
            f"kubectl --namespace {before.namespace} delete daskjob,job --selector {LABEL}={before.jobs['detect']}"
        )
    return f"scancel {' '.join(dict.fromkeys(before.jobs.values()))}"
