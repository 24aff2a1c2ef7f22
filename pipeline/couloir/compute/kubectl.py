"""Speak with Kubernetes through kubectl, as whoever is logged in by it."""

import json
import shlex
import shutil
import subprocess
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from couloir.compute.kubernetes_run import LABEL
from couloir.errors import ClusterError, CouloirWarning


def as_yaml(objects: Iterable[dict[str, Any]]) -> str:
    """Write objects as kubectl reads them: one document each, files within them as they are."""
    return "---\n".join(yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=110) for tree in objects)


def create(objects: Sequence[dict[str, Any]]) -> None:
    """Create objects, all or none; nothing that is there is changed.

    Raises
    ------
    ClusterError
        With the refusal of the cluster.
    """
    text = as_yaml(objects)
    _kubectl(["create", "--dry-run=server", "--filename=-", "--output=name"], text)
    try:
        told = _call(["create", "--filename=-", "--output=name"], text)
    except BaseException:  # their names were free a moment ago
        delete(objects)
        raise
    if told.returncode:
        if made := told.stdout.split():
            _delete(objects[0]["metadata"]["namespace"], made)
        raise _refusal(told)


def delete(objects: Sequence[dict[str, Any]]) -> None:
    """Delete objects that were created, as far as they are there.

    Warns
    -----
    CouloirWarning
        When that fails, with the command that does it.
    """
    names = [f"{_kind(tree)}/{tree['metadata']['name']}" for tree in objects]
    _delete(objects[0]["metadata"]["namespace"], names)


def _kind(tree: dict[str, Any]) -> str:
    """Name a kind as kubectl does: KIND.GROUP, and no group for those of the core."""
    group, slash, _ = tree["apiVersion"].partition("/")
    return f"{tree['kind']}.{group}".lower() if slash else str(tree["kind"]).lower()


def _delete(namespace: str, names: Sequence[str]) -> None:
    command = ["delete", "--namespace", namespace, "--ignore-not-found", "--wait=false", *names]
    told = _call(command)
    if told.returncode:
        warnings.warn(
            f"what was created could not be deleted, and may run: {told.stderr.strip()}. Delete it: "
            f"{shlex.join(['kubectl', *command])}",
            CouloirWarning,
            stacklevel=3,
        )


def is_under_way(namespace: str, run: str) -> bool:
    """Say whether a run that was submitted detects, trains or reports; not where nobody answers."""
    chosen = ["--namespace", namespace, "--selector", f"{LABEL}={run}"]
    try:
        told = _kubectl(["get", "daskjob,job", *chosen, "--output=json"])
        held = json.loads(told)["items"]
    except (ClusterError, ValueError, KeyError):
        return False
    return any(_is_under_way(tree) for tree in held)


def _is_under_way(tree: dict[str, Any]) -> bool:
    """Say whether a DaskJob or a Job may still have pods; between two tries of a Job there is none."""
    status = tree.get("status", {})
    if tree["kind"] == "DaskJob":
        return status.get("jobStatus") not in ("Successful", "Failed")
    ended = any(each["type"] in ("Complete", "Failed") for each in status.get("conditions", ()))
    return tree.get("spec", {}).get("parallelism", 0) > 0 and not ended


def _kubectl(arguments: Sequence[str], given: str = "") -> str:
    told = _call(arguments, given)
    if told.returncode:
        raise _refusal(told)
    return told.stdout


def _call(arguments: Sequence[str], given: str = "") -> "subprocess.CompletedProcess[str]":
    path = shutil.which("kubectl")
    if path is None:
        raise ClusterError("there is no kubectl here: install it, and log in to the cluster; see kubectl version")
    return subprocess.run([path, *arguments], input=given, capture_output=True, text=True, check=False)  # noqa: S603


def _refusal(told: "subprocess.CompletedProcess[str]") -> ClusterError:
    return ClusterError(f"Kubernetes refuses the run:\n{told.stderr.strip()}\nSee it all with --dry-run.")


class _Dumper(yaml.SafeDumper):
    """Write texts of several lines as blocks, and no references within a document."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _write_text)
