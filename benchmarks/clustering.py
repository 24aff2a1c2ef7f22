"""Score Couloir's presets, and other clusterings, on digits or labelled events, over several seeds.

    clustering.py usps=usps.h5 mnist=FOLDER archive=RUN.yaml --methods dec,idec --seeds 5

One JSON file is kept for each data set, method and seed, and a checkpoint of the training under way: the
same command goes on where it was stopped. A result that other settings or data made stays as it is, unless
--redo is given. The table is written again after each result. Ends with code 1 when a peer failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import peers
from clustering_table import write_table
from couloir.config import PRESETS, TrainConfig, content_hash
from couloir.dec.assess import score_clusters
from couloir.dec.keeper import Keeper
from samples import DATA, DataSet, load

RESULTS = Path(__file__).parent / "results"
"""Results that are there are not made again: what others took hours for need not be repeated."""
SYSTEMS = [name for name in PRESETS if name != "small"]

DIGITS: dict[str, Any] = {"conv-da": {"augment": {"rotation": 10.0, "shift": 0.1}}}
"""What a preset is changed to where samples are images and not spectrograms."""

OVERRIDES: dict[str, dict[str, Any]] = {
    "mnist": DIGITS,
    "usps": {
        # DEC-keras: Adam, Glorot's first weights and 50 epochs for USPS, targets renewed every 30 iterations
        "dec": {
            "optimizer": "adam",
            "learning_rate": 0.001,
            "initializer": "glorot",
            "epochs": 50,
            "update_interval": 30,
        },
        # Guo et al. 2017a: SGD, rate 0.1 for USPS
        "idec": {
            "optimizer": "adam",
            "learning_rate": 0.001,
            "initializer": "glorot",
            "epochs": 50,
            "update_interval": 30,
            "clustering_optimizer": "sgd",
            "clustering_learning_rate": 0.1,
        },
        "dcec": {},
        "conv-da": DIGITS["conv-da"] | {"update_interval": 30},
    },
}
"""What the published experiments set otherwise on one data set, by data and preset."""


class FilePlace:
    """Hold a checkpoint in a file, whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_bytes(self) -> bytes | None:
        """Read it, if it is there."""
        return self._path.read_bytes() if self._path.exists() else None

    def write_bytes(self, data: bytes) -> None:
        """Replace it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(self._path)

    def __str__(self) -> str:
        return str(self._path)


def settings_of(data: DataSet, method: str, seed: int, changes: dict[str, Any]) -> TrainConfig:
    """Give a preset's settings on some data; all of it is trained on, as published."""
    tree = dict(PRESETS[method].get("train", {}))
    tree |= OVERRIDES.get(data.name, {}).get(method, {}) | {"clusters": data.clusters, "seed": seed, "holdout": 0}
    tree |= changes
    return TrainConfig.model_validate(tree)


def run_preset(data: DataSet, method: str, settings: TrainConfig, folder: Path) -> dict[str, Any]:
    """Train, or go on with it, and give the scores of the model and of the k-means it began from."""
    from couloir.dec.training import train

    keeper = Keeper([FilePlace(folder / f"{n}.npz") for n in range(2)], made_from=data.digest)
    last = [time.monotonic()]

    def tell(phase: str, done: int, total: int, message: str) -> None:
        if time.monotonic() - last[0] > 60:
            last[0] = time.monotonic()
            print(f"{data.name} {method} {settings.seed}: {phase} {done}/{total} {message}", flush=True)

    trained = train(data.samples, settings, folder=folder, progress=tell, keeper=keeper)
    metrics = json.loads((folder / "metrics.json").read_text())
    return {
        **asdict(score_clusters(data.classes, trained.labels)),
        "initial": asdict(score_clusters(data.classes, trained.initial_labels)),
        "seconds": metrics["seconds"],
        "epochs": settings.epochs,
        "iterations": trained.iterations,
        "stopped_because": trained.stopped_because,
        "collapse": list(trained.collapse),
        "weights_sha256": metrics["weights_sha256"],
        "backend": metrics["backend"],
        "settings": settings.model_dump(mode="json", exclude_defaults=True),
    }


def run_peer(data: DataSet, method: str, seed: int, python: str) -> dict[str, Any]:
    """Run another clustering in its own process, and give its scores, or why it cannot run."""
    with tempfile.TemporaryDirectory() as folder:
        stored, labels = Path(folder) / "data.npz", Path(folder) / "labels.npy"
        np.savez(stored, samples=data.samples)
        began = time.monotonic()
        command = [python, peers.__file__, str(stored), method, str(seed), str(data.clusters), str(labels)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == peers.MISSING:
            return {"skipped": f"left out: {done.stdout.strip()}"}
        if done.returncode:
            tail = "\n".join(done.stderr.strip().splitlines()[-5:])
            return {"skipped": f"failed with exit code {done.returncode}\n{tail}", "failed": True}
        seconds = time.monotonic() - began
        return {**asdict(score_clusters(data.classes, np.load(labels))), "seconds": round(seconds, 1)}


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", help=f"{DATA}: what is compared on")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder of results and checkpoints (benchmarks/results)"
    )
    parser.add_argument("--methods", default=",".join([*peers.METHODS, "dec", "idec", "dcec", "conv-da"]))
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from --first-seed on")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--redo", action="store_true", help="replace results of other settings or data")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of `train`")
    parser.add_argument("--peer-python", default=sys.executable, help="the Python that has ClustPy")
    options = parser.parse_args()
    methods = [name.strip() for name in options.methods.split(",")]
    if unknown := sorted(set(methods) - {*peers.METHODS, *SYSTEMS}):
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join([*peers.METHODS, *SYSTEMS])}")
    changes = {key: yaml.safe_load(value) for key, _, value in (text.partition("=") for text in options.set)}
    table, failed = options.results / "table.md", []
    for data in map(load, options.data):
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for method in methods:
                if not run_one(data, method, seed, changes, options):
                    failed.append(f"{data.name} {method} {seed}")
                write_table(options.results, table)
    write_table(options.results, table)
    print(table.read_text())
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def run_one(data: DataSet, method: str, seed: int, changes: dict[str, Any], options: argparse.Namespace) -> bool:
    """Make one result, unless it is there, and say whether all went well."""
    name = method.replace(" ", "-")
    result = options.results / data.name / name / f"{seed}.json"
    recipe: dict[str, Any] = {"method": method}
    if method not in peers.METHODS:
        settings = settings_of(data, method, seed, changes)
        recipe = settings.model_dump(mode="json", exclude_defaults=True)  # settings to come change no result
        recipe.pop("seed", None)
    made_from = content_hash(recipe, data.digest)
    before = json.loads(result.read_text())["made_from"] if result.exists() else None
    if before == made_from:
        return True
    if before and not options.redo:
        print(f"{result} was made with other settings or data, and stays; --redo replaces it", flush=True)
        return True
    work = result.with_suffix("")
    if method in peers.METHODS:
        found = run_peer(data, method, seed, options.peer_python)
    else:
        work.mkdir(parents=True, exist_ok=True)
        found = run_preset(data, method, settings, work)
    if reason := found.get("skipped"):
        print(f"{data.name} {method}: {reason}", flush=True)
        return not found.get("failed")
    found |= {
        "data": data.name,
        "samples": len(data.samples),
        "method": method,
        "seed": seed,
        "made_from": made_from,
    }
    result.parent.mkdir(parents=True, exist_ok=True)
    FilePlace(result).write_bytes((json.dumps(found, indent=1) + "\n").encode())
    for checkpoint in work.glob("*.npz"):
        checkpoint.unlink()
    accuracy = found["hungarian_accuracy"]
    print(f"{data.name} {method} {seed}: accuracy {accuracy:.4f}, NMI {found['nmi']:.4f}", flush=True)
    return True


if __name__ == "__main__":
    main()
