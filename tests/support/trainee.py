"""Train in a process of its own, telling each step and each half-written checkpoint, to be killed."""

import sys
import time
from pathlib import Path

import numpy as np

from couloir.config import RunConfig
from couloir.runfile import build

TRAIN = {"clusters": 2, "filters": [4], "latent": 4, "learning_rate": 0.01, "batch": 20, "kmeans_starts": 2}
TRAIN |= {"epochs": 12, "update_interval": 6, "tolerance": 0.0, "max_iterations": 40, "seed": 7}
STEPS = {"pretrain": 12 * 4, "cluster": 40}


class Pictures:
    """Stand for a spectrogram archive: small pictures of two kinds."""

    shape = (70, 16, 16, 3)
    blocks = ()
    digest = "0123456789abcdef"

    def column(self, name):
        return np.zeros(len(self), np.int64) if name == "coverage" else np.arange(len(self)) * 10**12

    def __len__(self):
        return self.shape[0]

    def load(self, between=lambda: None):
        generator = np.random.default_rng(0)
        pictures = generator.normal(size=self.shape)
        pictures[::2, :6] += 2
        pictures[1::2, :, 3::5] += 2
        return pictures.astype(np.float16)


def config_of(output: object, **train: object) -> RunConfig:
    archive = {"url": "nowhere", "start": "2024-01-01", "end": "2024-01-02"}
    place = output if isinstance(output, dict) else {"url": str(output)}
    return build({"archive": archive, "output": place, "train": TRAIN | train})


def write_in_halves(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        if path.name.endswith(".npz") or ".npz." in path.name:
            print("half", 0, flush=True)
            time.sleep(0.03)
        file.write(data[len(data) // 2 :])


if __name__ == "__main__":
    from couloir.stages.train import train

    Path.write_bytes = write_in_halves
    every_s = float(sys.argv[2])
    train(
        config_of(sys.argv[1]),
        Pictures(),
        progress=lambda phase, done, total, message: print(phase, done, message, flush=True),
        checkpoint_s=every_s,
    )
