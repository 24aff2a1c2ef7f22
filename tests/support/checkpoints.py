"""Places for checkpoints in memory, and a training's result that can be compared byte for byte."""

import json
from pathlib import Path

import numpy as np


class Memory:
    """Hold one checkpoint, and every one that was ever written to it."""

    def __init__(self, data=None):
        self.data = data
        self.history = []

    def __str__(self):
        return "memory"

    def read_bytes(self):
        return self.data

    def write_bytes(self, data):
        self.data = data
        self.history.append(data)


def result_of(trained, folder: Path):
    """Give all that a training came to but the seconds it took."""
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["seconds"]
    rows = [line.rsplit(",", 1)[0] for line in (folder / "log.csv").read_text().splitlines()]
    labels = {name: getattr(trained, name).tobytes() for name in ("initial_labels", "labels")}
    weights = b"".join(np.ascontiguousarray(weight).tobytes() for weight in trained.model.get_weights())
    model = (folder / "dec.keras").read_bytes()
    return {"model": model, "metrics": metrics, "log": rows, **labels, "weights": weights}
