"""Tell in the output what was submitted, for `couloir status`, wherever it was submitted to."""

import datetime as dt
from collections.abc import Mapping
from typing import Literal

from couloir.config import RunConfig
from couloir.stages.settings import output_of
from couloir.store.holder import Holder
from couloir.store.submission import Submission, write_submission


def remember(
    config: RunConfig,
    cluster: Literal["slurm", "kubernetes"],
    jobs: Mapping[str, str],
    *,
    logs: str,
    at: dt.datetime,
    namespace: str = "",
) -> None:
    """Write down which job does which stage; what has none of its own is done by the last.

    Parameters
    ----------
    config : RunConfig
    cluster : str
    jobs : mapping of str to str
        Ids or names of the jobs, in their order; `train` is among them where a model is trained.
    logs : str
        Their folder, or the command that shows them.
    at : datetime
        When submitting began: what a stage tells from then on is of these jobs.
    namespace : str, optional
        Of Kubernetes, in which the jobs are.

    Raises
    ------
    StoreError
        When the output cannot be written.
    """
    here, last = Holder.here(), list(jobs.values())[-1]
    stages = {stage: jobs.get(stage, last) for stage in ("detect", "train", "catalog", "report")}
    if "train" not in jobs:
        del stages["train"]
    told = at.isoformat(timespec="seconds")
    made = Submission(cluster, told, here.user, here.host, stages, logs=logs, namespace=namespace)
    write_submission(output_of(config), made)
