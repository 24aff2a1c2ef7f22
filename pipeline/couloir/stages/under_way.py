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
    if before is not None and (there := _still_there(before)):
        waiting, ending = there
        raise ClusterError(
            f"{output} was submitted on {before.at} by {before.user}, and {waiting}. See `couloir status`; to "
            f"submit anew: {ending}"
        )
    holder = read_holder(output)
    if holder is not None and holder.lives(time.time() - holder.sign):
        raise HeldError(
            f"{output} is held by {holder}: jobs that are submitted now may find it still held, and fail. Wait "
            "for it, stop it, or give another output.url. A run that died without a word holds it for "
            f"{STALE_S:.0f} s"
        )


def _still_there(before: Submission) -> tuple[str, str] | None:
    """Say what of an earlier submission waits or runs, and what command ends it; None where nothing does."""
    if before.cluster == "kubernetes":
        name = before.jobs["detect"]
        if not kubectl.is_under_way(before.namespace, name):
            return None
        ending = f"kubectl --namespace {before.namespace} delete daskjob,job --selector {LABEL}={name}"
        return f"{name} is still under way", ending
    there = sorted(slurm.under_way(set(before.jobs.values())), key=int)
    return (f"jobs {', '.join(there)} still wait or run", f"scancel {' '.join(there)}") if there else None
