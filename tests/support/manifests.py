"""Read Kubernetes manifests, and what they let pods do."""

import copy
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "kubernetes"
_DEFINITIONS = "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator/crds"


def read(text: str) -> list[dict]:
    """Read the objects of a manifest."""
    return [tree for tree in yaml.safe_load_all(text) if tree]


def kubectl() -> str | None:
    """Find kubectl, beside Python or on the path."""
    beside = Path(sys.executable).with_name("kubectl")
    return str(beside) if beside.exists() else shutil.which("kubectl")


@functools.cache
def kustomized(folder: str) -> list[dict]:
    """Give the objects of a folder as kustomize makes them."""
    told = subprocess.run([kubectl(), "kustomize", DEPLOY / folder], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return read(told.stdout)


def pods(objects: list[dict]) -> Iterator[tuple[str, dict, dict]]:
    """Give name, labels and specification of every pod that objects make."""
    for tree in objects:
        name = tree["metadata"]["name"]
        if tree["kind"] == "DaskJob":
            yield from _pods_of_dask(tree)
        elif tree["kind"] == "Job":
            template = tree["spec"]["template"]
            yield name, template["metadata"]["labels"], template["spec"]
        elif tree["kind"] == "CronJob":
            template = tree["spec"]["jobTemplate"]["spec"]["template"]
            yield name, template["metadata"]["labels"], template["spec"]


def _pods_of_dask(tree: dict) -> Iterator[tuple[str, dict, dict]]:
    """Give the pods that the operator of Dask makes of a DaskJob, with its labels."""
    name = tree["metadata"]["name"]
    cluster = tree["spec"]["cluster"]["spec"]
    parts = {"job-runner": tree["spec"]["job"], "worker": cluster["worker"], "scheduler": cluster["scheduler"]}
    for part, made in parts.items():
        labels = tree["metadata"]["labels"] | made.get("metadata", {}).get("labels", {})
        yield (
            f"{name}-{part}",
            labels | {"dask.org/cluster-name": name, "dask.org/component": part},
            made["spec"],
        )


def lets_in(objects: list[dict], source: dict[str, str] | None, target: dict[str, str], port: int) -> bool:
    """Say whether network policies let a pod of some labels, or a stranger, reach a port of another."""
    policies = [tree["spec"] for tree in objects if tree["kind"] == "NetworkPolicy"]
    chosen = [spec for spec in policies if _matches(spec["podSelector"], target)]
    if not chosen:
        return True
    return any(
        any(source is not None and _matches(peer["podSelector"], source) for peer in rule["from"])
        and ("ports" not in rule or port in [listening["port"] for listening in rule["ports"]])
        for spec in chosen
        for rule in spec["ingress"]
    )


def _matches(selector: dict, labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()


def unrestricted(spec: dict) -> list[str]:
    """Say what of a pod the profile `restricted` of the Pod Security Standards, and we, do not allow."""
    security = spec.get("securityContext", {})
    found = []
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        found.append("runs as root")
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("has no seccomp profile")
    found += [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    found += [f"volume {v['name']}" for v in spec.get("volumes", []) if not set(v) - {"name"} <= allowed]
    for container in spec["containers"]:
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
            found.append("may gain privileges")
        if security.get("readOnlyRootFilesystem") is not True:
            found.append("writes to its root file system")
        if security.get("capabilities") != {"drop": ["ALL"]}:
            found.append("has capabilities")
    return found


@functools.cache
def definition() -> dict | None:
    """Give the operator's definition of a DaskJob; None where its package is not to be had."""
    place = Path(os.environ.get("DASK_OPERATOR", Path(sys.executable).parents[1] / "operator"))
    path = place / _DEFINITIONS / "daskjob.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(), Loader=loader) if path.exists() else None  # noqa: S506 - safe, too


def strict_schema() -> dict:
    """Make a JSON schema of that definition that refuses what it does not know."""
    version = definition()["spec"]["versions"][0]
    schema = _closed(copy.deepcopy(version["schema"]["openAPIV3Schema"]))
    known = {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
    schema["properties"] = known | schema["properties"]
    return schema


def _closed(schema: dict) -> dict:
    for key in ("properties", "additionalProperties", "items"):
        inner = schema.get(key)
        if key == "properties" and inner:
            schema[key] = {name: _closed(value) for name, value in inner.items()}
        elif isinstance(inner, dict):
            schema[key] = _closed(inner)
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if schema.pop("x-kubernetes-int-or-string", False) or schema.get("format") == "int-or-string":
        schema["type"] = ["integer", "string"]
    return schema
