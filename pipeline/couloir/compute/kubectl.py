"""Speak with Kubernetes through kubectl, as whoever is logged in by it."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from couloir.compute.kubernetes_run import LABEL
from couloir.errors import ClusterError


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
        _kubectl(["create", "--filename=-", "--output=name"], text)
    except ClusterError:
        _kubectl(["delete", "--ignore-not-found", "--wait=false", "--filename=-"], text)
        raise


def is_under_way(namespace: str, run: str) -> bool:
    """Say whether a run that was submitted detects, trains or reports; not where nobody answers."""
    chosen = ["--namespace", namespace, "--selector", f"{LABEL}={run}"]
    try:
        told = _kubectl(["get", "daskjob,job", *chosen, "--output=json"])
        status = [(tree["kind"], tree.get("status", {})) for tree in json.loads(told)["items"]]
    except (ClusterError, ValueError, KeyError):
        return False
    return any(
        held.get("jobStatus") not in ("Successful", "Failed") if kind == "DaskJob" else held.get("active", 0) > 0
        for kind, held in status
    )


def _kubectl(arguments: Sequence[str], given: str = "") -> str:
    path = shutil.which("kubectl")
    if path is None:
        raise ClusterError("there is no kubectl here: install it, and log in to the cluster; see kubectl version")
    told = subprocess.run([path, *arguments], input=given, capture_output=True, text=True, check=False)  # noqa: S603
    if told.returncode:
        raise ClusterError(f"Kubernetes refuses the run:\n{told.stderr.strip()}\nSee it all with --dry-run.")
    return told.stdout


class _Dumper(yaml.SafeDumper):
    """Write texts of several lines as blocks, and no references within a document."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _write_text)
