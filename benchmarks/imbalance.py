"""Measure what train.target_balance does to rockfalls that are one event in a hundred among vehicles.

The events are those of the synthetic archive's generators, drawn anew for each seed. What is kept of the rare
class is told by F1 of the cluster that fits it best, after k-means and after clustering: clustering can only keep
what k-means found.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from couloir.config import TrainConfig
from couloir.stages.train import quieten_tensorflow
from known_classes import archive_of

RARE = "rockfall"
RARE_EVENTS = 10


def main() -> None:
    """Print how well the best cluster for the rare class fits it, by clusters, seed and balance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--among", nargs="+", default=["vehicle=990"], help="classes and events of each")
    parser.add_argument("--balances", type=float, nargs="+", default=[1.0, 0.5, 0.0])
    parser.add_argument("--clusters", type=int, nargs="+", default=[12, 8])
    arguments = parser.parse_args()
    counts = {name: int(count) for name, _, count in (text.partition("=") for text in arguments.among)}
    quieten_tensorflow()
    from couloir.dec.training import train

    print(
        "clusters seed balance: F1 of the rare class's best cluster, after k-means and after clustering; its size"
    )
    for seed in arguments.seeds:
        pictures, classes = archive_of({**counts, RARE: RARE_EVENTS}, seed=seed)
        for clusters in arguments.clusters:
            for balance in arguments.balances:
                settings = TrainConfig(
                    clusters=clusters,
                    filters=(8, 16, 24),
                    latent=16,
                    learning_rate=0.002,
                    batch=32,
                    epochs=10,
                    update_interval=40,
                    tolerance=0.0,
                    max_iterations=400,
                    kmeans_starts=10,
                    keep="last",
                    seed=seed,
                    holdout=0,
                    target_balance=balance,
                )
                begun = time.perf_counter()
                with tempfile.TemporaryDirectory() as folder:
                    trained = train(pictures, settings, folder=Path(folder))
                before, _ = best_of(classes == RARE, trained.initial_labels)
                after, size = best_of(classes == RARE, trained.labels)
                seconds = time.perf_counter() - begun
                print(
                    f"{clusters} {seed} {balance}: {before:.2f} {after:.2f} {size} ({seconds:.0f} s)", flush=True
                )


def best_of(rare: NDArray[np.bool_], labels: NDArray[np.int32]) -> tuple[float, int]:
    """Give F1 and size of the cluster that fits the rare class best."""
    return max(
        (float(f1_score(rare, labels == number)), int(np.sum(labels == number))) for number in np.unique(labels)
    )


if __name__ == "__main__":
    main()
