"""Describe pods as the strictest namespaces admit them: no root, no privileges, nothing written but to volumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from couloir.config.kubernetes import Claim, KubernetesConfig, Labels, Toleration

Tree = dict[str, Any]
RUN_FILE = "/etc/couloir/run.yaml"
STAGE_SCRIPT = "/etc/couloir/stage.sh"
TLS_FOLDER = "/etc/couloir-tls"
_TMP = "/tmp"  # noqa: S108 - a volume of the pod's own
_SCRATCH = "10Gi"
"""The most that a pod may put into its /tmp, before it is evicted."""
_HOME = {
    "HOME": _TMP,
    "USER": "couloir",
    "XDG_CACHE_HOME": f"{_TMP}/cache",
    "MPLCONFIGDIR": f"{_TMP}/matplotlib",
    "DASK_TEMPORARY_DIRECTORY": _TMP,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}
"""What is written lies in /tmp, whatever the image says."""


@dataclass(frozen=True)
class Size:
    """Say what a container asks for, and what it may use at most.

    Attributes
    ----------
    cores : float
        Asked for; twice as many may be used where nobody else does.
    memory : int
        Asked for, MiB.
    most_memory : int
        At which it is killed, MiB.
    gpus : int
        Of NVIDIA.
    """

    cores: float
    memory: int
    most_memory: int
    gpus: int = 0

    @property
    def resources(self) -> Tree:
        """Requests and limits, as Kubernetes has them."""
        gpus = {"nvidia.com/gpu": str(self.gpus)} if self.gpus else {}
        asked = {"cpu": _cpu(self.cores), "memory": f"{self.memory}Mi", "ephemeral-storage": "1Gi"}
        most = {"cpu": _cpu(2 * self.cores), "memory": f"{self.most_memory}Mi", "ephemeral-storage": "12Gi"}
        return {"requests": asked | gpus, "limits": most | gpus}


@dataclass(frozen=True)
class Task:
    """Hold what one kind of pod does.

    Attributes
    ----------
    name : str
        Of its container.
    command : sequence of str
    environment : mapping of str to str
        Beside what all have.
    data : bool
        Whether it reads or writes archive and output: it sees their volumes, and has their credentials.
    tls : bool
        Whether it holds the run's certificate.
    token : bool
        Whether it may speak with Kubernetes, as the run's service account.
    grace_s : int
        How long it may take to stop in order, s.
    more : mapping
        Further keys of the container: ports, probes.
    """

    name: str
    image: str
    command: Sequence[str]
    size: Size
    environment: Mapping[str, str] = field(default_factory=dict)
    data: bool = True
    tls: bool = False
    token: bool = False
    grace_s: int = 30
    more: Mapping[str, Any] = field(default_factory=dict)
    node_selector: Labels = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()


def pod_spec(site: KubernetesConfig, run: str, task: Task, *, restart: str | None = "Never") -> Tree:
    """Describe a pod of one container.

    Parameters
    ----------
    site : KubernetesConfig
    run : str
        Name of the run, by which its settings and its certificate are found.
    task : Task
    restart : str, optional
        None where Kubernetes allows only one answer, as in a Deployment.
    """
    volumes: list[Tree] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": _SCRATCH}},
        {"name": "run", "configMap": {"name": run}},
    ]
    mounts = [_mount("tmp", _TMP), _mount("run", "/etc/couloir", read_only=True)]
    if task.tls:
        volumes.append({"name": "tls", "secret": {"secretName": f"{run}-tls"}})
        mounts.append(_mount("tls", TLS_FOLDER, read_only=True))
    for number, claim in enumerate(site.volumes if task.data else ()):
        volumes.append(_claimed(f"data-{number}", claim))
        mounts.append(_mount(f"data-{number}", claim.mount, read_only=claim.read_only))
    selector = site.node_selector | dict(task.node_selector)
    tolerations = [*site.tolerations, *task.tolerations]
    return {
        "serviceAccountName": site.service_account or run,
        "automountServiceAccountToken": task.token,
        "enableServiceLinks": False,
        "securityContext": _pod_security(site),
        **({"restartPolicy": restart} if restart else {}),
        "terminationGracePeriodSeconds": task.grace_s,
        **({"imagePullSecrets": [{"name": name} for name in site.pull_secrets]} if site.pull_secrets else {}),
        **({"nodeSelector": selector} if selector else {}),
        **({"tolerations": [item.model_dump(exclude_none=True) for item in tolerations]} if tolerations else {}),
        "containers": [_container(site, task, mounts)],
        "volumes": volumes,
    }


def _cpu(cores: float) -> str:
    return f"{cores:g}" if cores == round(cores) else f"{round(1000 * cores)}m"


def _container(site: KubernetesConfig, task: Task, mounts: list[Tree]) -> Tree:
    environment = [{"name": name, "value": value} for name, value in (_HOME | dict(task.environment)).items()]
    return {
        "name": task.name,
        "image": task.image,
        "command": list(task.command),
        "env": environment,
        **({"envFrom": [{"secretRef": {"name": site.secret}}]} if site.secret and task.data else {}),
        "resources": task.size.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
        **task.more,
    }


def _pod_security(site: KubernetesConfig) -> Tree:
    ids: Tree = {}
    if site.user is not None:
        ids["runAsUser"] = site.user
    if site.group is not None:
        ids |= {"fsGroup": site.group, "fsGroupChangePolicy": "OnRootMismatch"}
    return {"runAsNonRoot": True, **ids, "seccompProfile": {"type": "RuntimeDefault"}}


def _mount(volume: str, path: str, *, read_only: bool = False) -> Tree:
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}


def _claimed(name: str, claim: Claim) -> Tree:
    read_only = {"readOnly": True} if claim.read_only else {}
    return {"name": name, "persistentVolumeClaim": {"claimName": claim.claim, **read_only}}
