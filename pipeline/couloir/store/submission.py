"""Remember what was submitted to a cluster for an output, so that any machine can say what is waited for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from couloir.store.documents import read_document
from couloir.store.location import Location
from couloir.store.sealed import seal, unseal

NAME = "submission.json"
_NAMES = {"slurm": "SLURM", "kubernetes": "Kubernetes"}


@dataclass(frozen=True)
class Submission:
    """Hold what was submitted.

    Attributes
    ----------
    cluster : str
        ``slurm`` or ``kubernetes``.
    at : str
        ISO 8601, UTC.
    user, host : str
        Who submitted it, and where.
    jobs : mapping of str to str
        The id or name of the job that does each stage; several stages may have one.
    logs : str
        The folder of the logs, or the command that shows them.
    namespace : str
        Of Kubernetes, in which the jobs are.
    """

    cluster: Literal["slurm", "kubernetes"]
    at: str
    user: str
    host: str
    jobs: Mapping[str, str]
    logs: str = ""
    namespace: str = ""

    def job(self, stage: str) -> str:
        """Name the job that does a stage; nothing where none does."""
        return f"{self.cluster_name} job {self.jobs[stage]}" if stage in self.jobs else ""

    @property
    def cluster_name(self) -> str:
        """What the cluster's software calls itself."""
        return _NAMES[self.cluster]


def write_submission(output: Location, submission: Submission) -> None:
    """Write what was submitted; it takes the place of what was submitted before.

    Raises
    ------
    StoreError
        When the output cannot be written.
    """
    (output / NAME).write_bytes(seal(asdict(submission)))


def read_submission(output: Location) -> Submission | None:
    """Read what was submitted last; None where nothing was.

    Raises
    ------
    DamagedError
        When it is not as it was written.
    """
    remedy = "Remove it: it only says which jobs were submitted."
    return read_document(output / NAME, _build, remedy=remedy, parse=unseal)


def _build(held: dict[str, Any]) -> Submission:
    submission = Submission(**held)
    if submission.cluster not in _NAMES:
        raise ValueError(f"it names the cluster {submission.cluster!r}")
    return submission
