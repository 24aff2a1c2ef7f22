"""Say what a run on Kubernetes is made from, and how its objects are named and labelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from couloir import __version__
from couloir.compute.pods import Tree
from couloir.config import ComputeConfig
from couloir.config.kubernetes import KubernetesConfig

PORT = 8786
LONGEST_NAME = 40
"""Letters of a run's name: the operator and Kubernetes append theirs, and 63 are allowed."""
LABEL = "app.kubernetes.io/instance"
"""By which all of a run is found."""


@dataclass(frozen=True)
class Run:
    """Hold what the objects of a run are made from.

    Attributes
    ----------
    name : str
        Begins the name of every object.
    run_file : str
        The run's settings as they were when it was submitted.
    compute : ComputeConfig
        With the number of workers.
    images : (str, str)
        Of the workers, and with TensorFlow.
    worker_memory : int
        What a worker is thought to need, MiB.
    options : sequence of str
        Of the stages that make something.
    trains : bool
        Whether there is a model to train.
    """

    name: str
    run_file: str
    compute: ComputeConfig
    images: tuple[str, str]
    worker_memory: int
    options: Sequence[str] = ()
    trains: bool = True

    @property
    def site(self) -> KubernetesConfig:
        """The cluster."""
        return self.compute.kubernetes

    @property
    def jobs(self) -> dict[str, str]:
        """Names of the jobs by stage, in their order."""
        stages = ("detect", "train", "report") if self.trains else ("detect", "report")
        return {stage: self.name if stage == "detect" else f"{self.name}-{stage}" for stage in stages}

    def kubectl(self, verb: str) -> str:
        """Give a command that looks at all pods of the run."""
        return f"kubectl --namespace {self.site.namespace} {verb} --selector {LABEL}={self.name}"


def scheduler_address(name: str) -> str:
    """Say where a run's scheduler listens: the operator makes a service of this name."""
    return f"tls://{name}-scheduler:{PORT}"


def labelled(run: Run, version: str, kind: str, name: str, *, component: str = "run", **content: Any) -> Tree:
    """Give an object of a run, with the labels by which all of a run's are found."""
    labels = {
        "app.kubernetes.io/name": "couloir",
        LABEL: run.name,
        "app.kubernetes.io/version": __version__,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "couloir",
    }
    metadata = {"name": name, "namespace": run.site.namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
