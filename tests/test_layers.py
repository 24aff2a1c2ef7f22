"""An arrow of imports points only downwards, as docs/architecture.md says."""

import ast
from pathlib import Path

import pytest

import couloir

ROOT = Path(couloir.__file__).parent
GROUND = {"config", "errors", "identifiers", "storage", "storage_errors"}
ALLOWED = {
    "config": {"config", "identifiers"},
    "kernels": {"kernels"},
    "dec": {"dec", "kernels"} | GROUND - {"storage", "storage_errors"},
    **{
        place: {place, "kernels"} | GROUND
        for place in ("archive", "store", "catalog", "report", "compute", "synth")
    },
    "stages": {"stages", "archive", "store", "catalog", "report", "compute", "synth", "dec", "kernels", "runfile"}
    | GROUND,
}
ALLOWED["commands"] = ALLOWED["stages"] | {"commands", "jobs", "terminal"}
# One place may reach another where the whole point of it is to be written there.
ALLOWED["catalog"] |= {"store"}
OUTSIDE = {
    "kernels": {"obspy", "zarr", "dask", "distributed", "keras", "tensorflow", "fsspec", "pyarrow"},
    "dec": {"obspy", "zarr", "dask", "distributed", "fsspec", "pyarrow", "tensorflow", "jax", "torch"},
    "stages": {"obspy", "zarr", "dask", "distributed", "keras", "tensorflow", "matplotlib"},
    "report": {"zarr", "fsspec", "dask", "obspy", "keras"},
}
KNOW_BACKENDS = {ROOT / "dec" / "accelerator.py", *(ROOT / "dec" / "loops").glob("on_*.py")}


def modules():
    return sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_below_it(path):
    package = path.relative_to(ROOT).parts[0]
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "couloir":
            assert len(parts) == 1 or parts[1] in ALLOWED[package], f"{path.name} imports {name}"
        elif path not in KNOW_BACKENDS:
            assert parts[0] not in OUTSIDE.get(package, set()), f"{path.name} imports {name}"
