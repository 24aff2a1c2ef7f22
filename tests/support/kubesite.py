"""A real Kubernetes of one node on this machine, in a network of its own, with Dask's operator."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import images

_ROOT = Path(__file__).resolve().parents[2]
RECIPE = _ROOT.parent / "shared" / "infra" / "kube"
if not RECIPE.exists():
    RECIPE = _ROOT / "shared" / "infra" / "kube"
ADDRESS = "10.231.5.1"
"""Of the node; nothing outside of its network reaches it."""
OPERATOR = Path(os.environ.get("DASK_OPERATOR_ENVIRONMENT", _ROOT / ".venv" / "operator-environment"))
TAG = "test"
"""Of the images; of the tag `latest` a node would ask a registry."""
_CONTROLLER = "dask_kubernetes.operator.controller"

KUBECTL = """#!{python}
# kubectl for a Kubernetes of 2021 on two cores: without what it does not know yet, and with modest requests.
import os, subprocess, sys
import yaml

def convert(tree):
    if isinstance(tree, list):
        return [convert(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "requests" in tree and "cpu" in tree["requests"]:
        tree["requests"]["cpu"] = "50m"
    return {{name: convert(value) for name, value in tree.items() if name not in ("podFailurePolicy", "timeZone")}}

real = {real!r}
if "--filename=-" not in sys.argv:
    os.execv(real, [real, *sys.argv[1:]])
given = yaml.safe_dump_all([convert(tree) for tree in yaml.safe_load_all(sys.stdin)])
sys.exit(subprocess.run([real, *sys.argv[1:]], input=given, text=True).returncode)
"""


def missing() -> str:
    """Say what a test on a real node lacks here, if anything."""
    if not os.environ.get("KUBE_TEST"):
        return "a whole run on a real node takes minutes: make kube-test"
    if not (RECIPE / "up").exists():
        return f"the node is missing: {RECIPE}"
    if os.geteuid() != 0:
        return "the node wants root"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "no network of its own is to be had here"
    if not (OPERATOR / "bin" / "kopf").exists():
        return "Dask's operator is missing: make kube-test installs it"
    return "" if os.environ.get("KUBE_IMAGES") else images.missing()


def image_archives(folder: Path) -> list[Path]:
    """Build the images of worker and training, and give an archive of each; KUBE_IMAGES names a folder of such."""
    parts = {"worker": "image", "train": "image-train"}
    if given := os.environ.get("KUBE_IMAGES"):
        return [Path(given) / f"{part}.tar" for part in parts]
    folder.mkdir(parents=True, exist_ok=True)
    builder = images.Images(folder)
    if lacking := builder.import_base():
        raise RuntimeError(lacking)
    for part, target in parts.items():
        builder.make(target)
        name = f"localhost/couloir-{part}"
        builder.call("podman", "tag", name, f"{name}:{TAG}")
        builder.call("podman", "save", "--quiet", "--output", folder / f"{part}.tar", f"{name}:{TAG}")
    builder.remove()
    return [folder / f"{part}.tar" for part in parts]


@contextmanager
def within(network: str):
    """Have this thread, and what it starts, in another network; the block must start no event loop before."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{network}", os.O_RDONLY)

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, 0x40000000):  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), "setns")

    try:
        enter(other)
        yield
    finally:
        enter(own)
        os.close(own)
        os.close(other)


class KubeNode:
    """A node in a folder; within its network `kubectl` and whatever calls it find it by `environment`.

    Parameters
    ----------
    folder : Path
    images : list of Path
        Archives of the images that pods run.
    """

    def __init__(self, folder: Path, images: list[Path]) -> None:
        self.folder = folder
        self._images = images
        self._operator: subprocess.Popen | None = None
        self._ours = True

    @property
    def network(self) -> str:
        return (self.folder / "netns").read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        path = [str(self.folder / "bin"), str(self.folder / "venv" / "bin"), os.environ["PATH"]]
        return kept | {"KUBECONFIG": str(self.folder / "kubeconfig"), "PATH": os.pathsep.join(path)}

    def start(self) -> "KubeNode":
        """Start it, unless it is there: another has started it by the same recipe, and stops it."""
        self._ours = not (self.folder / "enter").exists()
        if self._ours:
            own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            subprocess.run([RECIPE / "up", self.folder, *self._images], check=True, timeout=600, env=own)
        (self.folder / "bin").mkdir(exist_ok=True)
        shim = self.folder / "bin" / "kubectl"
        shim.write_text(KUBECTL.format(python=sys.executable, real=str(self.folder / "venv" / "bin" / "kubectl")))
        shim.chmod(0o755)
        return self

    def start_operator(self) -> None:
        """Install the operator's definitions, and run it; call it within the network."""
        (definitions,) = OPERATOR.glob("lib/python*/site-packages/dask_kubernetes/operator/deployment/helm/*/crds")
        self.kubectl("replace", "--force", "--filename", str(definitions))
        command = [OPERATOR / "bin" / "kopf", "run", "--module", _CONTROLLER, "--all-namespaces"]
        log = (self.folder / "log" / "operator").open("wb")
        self._operator = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def stop(self) -> None:
        if self._operator is not None:
            self._operator.kill()
            self._operator.wait()
        if self._ours:
            subprocess.run([RECIPE / "down", self.folder], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def kubectl(self, *arguments: str, check: bool = True, given: str | None = None) -> str:
        """Run kubectl, and give what it says."""
        told = subprocess.run(
            ["kubectl", *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert not check or told.returncode == 0, told.stderr
        return told.stdout

    def get(self, kind: str, *options: str) -> list[dict]:
        """Give objects as they are now."""
        return json.loads(self.kubectl("get", kind, "--output=json", *options))["items"]

    def wait_for(self, what, seconds: float, every: float = 1.0):
        """Wait until something is so, and give it; some time later is too late."""
        end = time.monotonic() + seconds
        while not (found := what()):
            if time.monotonic() > end:
                told = self.kubectl("get", "pods,jobs,daskjobs", "--all-namespaces", "--output=wide", check=False)
                raise TimeoutError(f"it did not come about in {seconds:g} s\n{told}")
            time.sleep(every)
        return found
