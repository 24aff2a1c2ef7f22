"""Look for known vulnerabilities in the lock files, and write what each image holds as CycloneDX.

``python docker/audit.py FOLDER``, in an environment of pip-audit and cyclonedx-bom: ``make audit``.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.markers import Marker

IMAGES = {"worker": "requirements-worker.lock", "train": "requirements.lock", "train-gpu": "requirements-gpu.lock"}
"""Lock files of the images."""
PYTHON = "3.13"
"""Of the images' base."""
PYTHONS = ("3.11", PYTHON)
"""Of which the lock files hold different versions."""
SERVICES = ("pypi", "osv")
"""Which lists of vulnerabilities are asked, until one answers."""
_BIN = Path(sys.executable).parent


def pins(lock: str, python: str) -> dict[str, str]:
    """Give what a lock file installs on Linux, by name: the version, and the hashes it may have.

    Parameters
    ----------
    lock : str
        The file's text.
    python : str
        Version of Python, like 3.13.
    """
    where = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    where |= {
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found = {}
    for entry in re.findall(r"^\S+==.*(?:\n    --hash=.*)*", lock, flags=re.MULTILINE):
        head, *hashes = [line.removesuffix("\\").strip() for line in entry.splitlines()]
        requirement, _, marker = (part.strip() for part in head.partition(";"))
        if not marker or Marker(marker).evaluate(where):
            name, _, version = requirement.partition("==")
            found[name] = " ".join([version, *hashes])
    return found


def vulnerabilities(audited: list[dict[str, Any]]) -> list[str]:
    """Say what is known of packages, in one line for each vulnerability.

    Parameters
    ----------
    audited : list of dict
        ``dependencies`` of what pip-audit writes.
    """
    return [
        f"{package['name']} {package['version']}: {found['id']}, mended in: {' '.join(found['fix_versions'])}"
        for package in audited
        for found in package.get("vulns", ())
    ]


def unknown(audited: list[dict[str, Any]]) -> list[str]:
    """Name the packages of which the service did not say whether there is anything."""
    return [package["name"] for package in audited if "skip_reason" in package]


def audit(requirements: dict[str, str]) -> list[dict[str, Any]]:
    """Ask the services, one after the other, until one knows every package; give what the best of them said."""
    best: list[dict[str, Any]] = [{"name": name, "skip_reason": "no answer"} for name in requirements]
    for service in SERVICES:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.writelines(f"{name}=={pin.split()[0]}\n" for name, pin in requirements.items())
            file.flush()
            command = [str(_BIN / "pip-audit"), "--vulnerability-service", service, "--requirement", file.name]
            command += ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off"]
            told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if told.stdout.startswith("{"):
            best = min(best, json.loads(told.stdout)["dependencies"], key=lambda said: len(unknown(said)))
        if not unknown(best):
            break
    return best


def write_sbom(requirements: dict[str, str], path: Path) -> None:
    """Write what an image holds, with the hashes of what was installed."""
    lines = "".join(f"{name}=={pin}\n" for name, pin in requirements.items())
    command = [str(_BIN / "cyclonedx-py"), "requirements", "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--output-format", "JSON", "--output-file", str(path), "-"]
    subprocess.run(command, input=lines, text=True, check=True, capture_output=True)  # noqa: S603


def main() -> str | None:
    """Write the SBOMs and audit every lock file; give what is wrong, if anything."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for image, lock in IMAGES.items():
        path = folder / f"{image}.cdx.json"
        write_sbom(pins(Path(lock).read_text(), PYTHON), path)
        print(f"{path}: what the image of {lock} holds")
    locks = [path.read_text() for path in sorted(Path().glob("requirements*.lock"))]
    held = [pins(lock, python) for lock in locks for python in PYTHONS]
    return judge({(name, pin.split()[0]) for packages in held for name, pin in packages.items()})


def judge(packages: set[tuple[str, str]]) -> str | None:
    """Audit packages, some of them in several versions, and say what is wrong with them, if anything."""
    audited: list[dict[str, Any]] = []
    while packages:  # a name at most once in each question
        asked = dict(sorted(packages))
        audited += audit(asked)
        packages = packages - asked.items()
    if known := vulnerabilities(audited):
        return "\n".join(["known vulnerabilities:", *known])
    if silent := unknown(audited):
        return (
            f"nothing could be learnt of {len(silent)} of {len(audited)} packages ({', '.join(silent[:3])} ...): "
            f"the lists of vulnerabilities of PyPI and OSV do not answer here. Run `make audit` where they do"
        )
    print(f"no known vulnerabilities in {len(audited)} packages")
    return None


if __name__ == "__main__":
    sys.exit(main())
