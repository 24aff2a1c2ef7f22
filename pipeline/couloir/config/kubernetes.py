"""Describe the Kubernetes cluster that a run is submitted to."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from couloir.config.section import Count, Positive, Section

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_QUALIFIED = re.compile(rf"({_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{{0,61}}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_IMAGE = re.compile(r"[a-z0-9]+([._:/@-]+[A-Za-z0-9]+)*")
_OURS = ("/etc/couloir", "/etc/couloir-tls", "/tmp", "/var/run/secrets")  # noqa: S108 - places in a pod
"""Folders of a pod that volumes must leave alone."""


def is_label(name: str) -> bool:
    """Say whether a name can be a part of a host name, as RFC 1123 has it: what most of Kubernetes' names are."""
    return len(name) <= 63 and re.fullmatch(_LABEL, name) is not None


def _check_label(name: str) -> str:
    if not is_label(name):
        raise ValueError(
            f"{name!r} is no name for Kubernetes: a-z, 0-9 and - within, 63 characters at most (RFC 1123)"
        )
    return name


def _check_name(name: str) -> str:
    if len(name) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name):
        raise ValueError(f"{name!r} is no name for Kubernetes: a-z, 0-9, and - or . within (RFC 1123)")
    return name


def _check_image(name: str) -> str:
    if not _IMAGE.fullmatch(name):
        raise ValueError(f"{name!r} is no image: expected REGISTRY/NAME:TAG or NAME@sha256:...")
    return name


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not _QUALIFIED.fullmatch(key) or not _VALUE.fullmatch(value):
            raise ValueError(
                f"{key}: {value!r} is no label of a node, like topology.kubernetes.io/zone: eu-west-1a"
            )
    return labels


Label = Annotated[str, AfterValidator(_check_label)]
Name = Annotated[str, AfterValidator(_check_name)]
Image = Annotated[str, AfterValidator(_check_image)]
Labels = Annotated[dict[str, str], AfterValidator(_check_labels)]
Id = Annotated[int, Field(ge=1)]


class Toleration(Section):
    """A taint of nodes that pods may run on in spite of."""

    key: str | None = None
    """The taint's key; all taints when null."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """Whether the value must be the taint's."""
    value: str | None = None
    """The taint's value, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; all when null."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.key is not None and not _QUALIFIED.fullmatch(self.key):
            raise ValueError(f"{self.key!r} is no key of a taint")
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError("a toleration has a `value` with operator Equal, and only then")
        return self


class Claim(Section):
    """A persistent volume claim of the namespace that all pods of a run see."""

    claim: Name
    """Name of the claim."""
    mount: Annotated[str, Field(pattern=r"^/[^:\s]+$")]
    """Folder of the pods at which it is seen, like /data."""
    read_only: bool = False
    """Whether it is only read."""

    @field_validator("mount")
    @classmethod
    def _check_mount(cls, mount: str) -> str:
        path = mount.rstrip("/")
        if "/../" in f"{path}/" or any(path == ours or path.startswith(f"{ours}/") for ours in _OURS):
            raise ValueError(f"{mount} cannot be a mount: give a folder of its own, like /data")
        return path

    def holds(self, path: str) -> bool:
        """Say whether a path lies in it."""
        return path == self.mount or path.startswith(f"{self.mount}/")


class KubernetesTraining(Section):
    """The training's pod, where it differs from the others; catalog and report run in its image."""

    image: Image | None = None
    """Image with TensorFlow (target `train`); needed."""
    gpus: Annotated[int, Field(ge=0, le=16)] = 1
    """GPUs (nvidia.com/gpu); 0 trains on CPUs."""
    cores: Count = 4
    """Cores."""
    memory_gb: Positive = 32.0
    """Memory, GB."""
    node_selector: Labels = Field(default_factory=dict)
    """Labels of the nodes that it runs on, beside those for all."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints it runs on in spite of, beside those for all, like those of GPU nodes."""


class KubernetesConfig(Section):
    """What `couloir submit kubernetes` asks of a cluster."""

    namespace: Label = "default"
    """Namespace."""
    image: Image | None = None
    """Image of scheduler and workers (target `worker`); needed."""
    pull_secrets: tuple[Name, ...] = ()
    """Secrets with which images are pulled."""
    secret: Name | None = None
    """Secret whose keys are environment variables of the pods: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    service_account: Name | None = None
    """Service account that is there already, as for roles of a cloud; one is made for the run when null."""
    cores: Count = 1
    """Cores of a worker."""
    node_selector: Labels = Field(default_factory=dict)
    """Labels of the nodes that pods run on."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that pods run on in spite of."""
    workers_node_selector: Labels = Field(default_factory=dict)
    """Further labels of the workers' nodes, like those of spot nodes."""
    workers_tolerations: tuple[Toleration, ...] = ()
    """Further taints that workers run on in spite of; a worker may go at any time."""
    volumes: tuple[Claim, ...] = ()
    """Volume claims, where archive or output are on a disk."""
    user: Id | None = None
    """User id of the pods' processes; the image's own, or the cluster's choice, when null."""
    group: Id | None = None
    """Group id that volumes are written with."""
    retries: Annotated[int, Field(ge=0, le=100)] = 6
    """How often a stage whose pod died begins anew; evictions do not count."""
    ttl_s: Annotated[int, Field(ge=0)] = 604_800
    """How long jobs that have ended stay, with their logs, s."""
    training: KubernetesTraining = Field(default_factory=KubernetesTraining)
    """The training's pod."""

    @field_validator("pull_secrets", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("volumes")
    @classmethod
    def _check_mounts(cls, volumes: tuple[Claim, ...]) -> tuple[Claim, ...]:
        mounts = [volume.mount for volume in volumes]
        if len(set(mounts)) < len(mounts):
            raise ValueError(f"two volumes have one mount: {', '.join(mounts)}")
        return volumes

    def is_on_claim(self, place: str) -> bool:
        """Say whether a path lies on one of the volumes."""
        return any(volume.holds(place) for volume in self.volumes)
