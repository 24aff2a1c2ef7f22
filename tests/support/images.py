"""Build and run images without Docker and without a registry: buildah, podman, a base of Debian's packages.

``python images.py`` makes the base, so that it is there when the tests want it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(tempfile.gettempdir()) / "couloir-images"
SUITE = {11: "bookworm", 13: "trixie"}.get(sys.version_info.minor, "trixie")
"""Release of Debian whose Python is this one where there is one, so that the same versions are locked."""
BASE = f"localhost/couloir-base-{SUITE}"
LOCKED_DOWN = ("--read-only", "--cap-drop", "ALL", "--network", "none", "--security-opt", "no-new-privileges")
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
_MAKE_BASE = (str(ROOT / "tests" / "support" / "make-base"), SUITE, str(CACHE / f"{SUITE}.tar"))
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""


def missing() -> str:
    """Say what building an image lacks here, if anything."""
    if os.geteuid():
        return "images are built and run by root here"
    for tool in ("buildah", "podman", "runc", "mmdebstrap"):
        if shutil.which(tool) is None:
            return f"{tool} is missing: apt-get install --no-install-recommends buildah podman runc mmdebstrap"
    return ""


class Images:
    """Images in a folder of their own.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        (folder / "containers.conf").write_text(_CONTAINERS)
        (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "BUILDAH_ISOLATION": "chroot",
        }

    def call(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess:
        """Run a command that finds the images, from the root of the repository."""
        told = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and told.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{told.stdout[-3000:]}\n{told.stderr[-3000:]}")
        return told

    def import_base(self) -> str:
        """Make the base, unless it is there, and see that containers run; say why not, where they do not."""
        made = self.call(*_MAKE_BASE, check=False)
        if made.returncode:
            return f"no base for images: {made.stderr[-300:]}"
        self.call("podman", "import", "--quiet", _MAKE_BASE[-1], BASE)
        started = self.call("podman", "run", "--rm", *LOCKED_DOWN, BASE, "true", check=False)
        return f"no container runs here: {started.stderr[-300:]}" if started.returncode else ""

    def make(self, target: str, *variables: str) -> None:
        """Make a target of the Makefile with buildah, from the base that is here."""
        self.call("make", target, "IMAGE_BUILDER=buildah", f"BASE={BASE}", "IMAGE_FLAGS=--pull-never", *variables)

    def remove(self) -> None:
        """Remove every image and what they lie in."""
        self.call("podman", "rmi", "--all", "--force", check=False)

    @contextmanager
    def mounted(self, image: str):
        """Give the folder of an image's files while the block runs."""
        yield Path(self.call("podman", "image", "mount", image).stdout.strip())
        self.call("podman", "image", "unmount", image)

    def inspect(self, image: str) -> dict:
        """Give what an image says of itself."""
        return json.loads(self.call("podman", "image", "inspect", image).stdout)[0]

    def settings(self, image: str) -> dict[str, str]:
        """Give the environment that an image sets."""
        return dict(setting.split("=", 1) for setting in self.inspect(image)["Config"]["Env"])

    def run(self, image: str, *command: str, options: tuple = (), check: bool = True):
        """Run a command of an image read-only, without capabilities and without network."""
        quiet = ("--rm", "--no-healthcheck")  # podman wants systemd for it
        return self.call("podman", "run", *quiet, *LOCKED_DOWN, *options, image, *command, check=check)


def charliecloud_missing() -> str:
    """Say what Charliecloud lacks here, if anything."""
    if shutil.which("ch-run") is None:
        return "ch-run is missing: apt-get install --no-install-recommends charliecloud"
    if (
        os.geteuid() == 0
        and subprocess.run([*_NOBODY, "unshare", "--user", "true"], capture_output=True).returncode
    ):
        return "no user but root may make a user namespace here"
    return ""


def charliecloud(files: Path, *command: str, settings: dict[str, str]) -> str:
    """Run a command in a folder of an image's files, as a user without any rights, and give what it says."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        subprocess.run(["mount", "--bind", files, folder], check=True)
        try:
            given = [f"--set-env={name}={value}" for name, value in settings.items()]
            whole = [*_NOBODY, "ch-run", *given, folder, "--", *command]
            environment = {"PATH": os.environ["PATH"], "USER": "nobody", "HOME": "/"}
            told = subprocess.run(whole, env=environment, cwd="/", capture_output=True, text=True, check=False)
        finally:
            subprocess.run(["umount", folder], check=True)
    assert told.returncode == 0, told.stderr
    return told.stdout


if __name__ == "__main__":
    sys.exit(subprocess.run(_MAKE_BASE, check=False).returncode)
