"""Measure what train.target_balance does to a class that is one event in a hundred, on made-up pictures."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from couloir.config import TrainConfig
from couloir.stages.train import quieten_tensorflow

COUNTS = {"tone": 490, "rumble": 300, "impacts": 8}


def main() -> None:
    """Print how well the best cluster for the rare class fits it, by balance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--balances", type=float, nargs="+", default=[1.0, 0.5, 0.0])
    parser.add_argument("--clusters", type=int, default=3)
    arguments = parser.parse_args()
    quieten_tensorflow()
    from couloir.dec.assess import score_clusters
    from couloir.dec.training import train

    print("balance  seed  rare class F1 (k-means)  Hungarian accuracy (k-means)  cluster sizes")
    for balance in arguments.balances:
        for seed in range(arguments.seeds):
            pictures, classes = make(seed)
            settings = TrainConfig(
                clusters=arguments.clusters,
                filters=(4, 8),
                latent=4,
                learning_rate=0.005,
                batch=32,
                epochs=6,
                update_interval=25,
                tolerance=0.0,
                max_iterations=300,
                kmeans_starts=10,
                seed=seed,
                holdout=0,
                target_balance=balance,
            )
            with tempfile.TemporaryDirectory() as folder:
                trained = train(pictures, settings, folder=Path(folder))
            ways = (trained.labels, trained.initial_labels)
            rare, start = (best_f1(classes == "impacts", labels) for labels in ways)
            accuracy, first = (score_clusters(classes, labels).hungarian_accuracy for labels in ways)
            sizes = np.bincount(trained.labels, minlength=settings.clusters).tolist()
            print(
                f"{balance:7.2f}  {seed:4d}  {rare:.2f} ({start:.2f})  {accuracy:.3f} ({first:.3f})  {sizes}",
                flush=True,
            )


def best_f1(rare: NDArray[np.bool_], labels: NDArray[np.int32]) -> float:
    """Give F1 of the cluster that fits the rare class best."""
    return max(float(f1_score(rare, labels == number)) for number in np.unique(labels))


def make(seed: int) -> tuple[NDArray[np.float16], NDArray[np.str_]]:
    """Draw standardised pictures (32, 16, 3): steady tones, low rumbles, trains of impacts; of any strength."""
    generator = np.random.default_rng(seed)
    classes = generator.permutation(np.repeat(list(COUNTS), list(COUNTS.values())))
    pictures = generator.normal(scale=0.6, size=(len(classes), 32, 16, 3))
    for picture, name in zip(pictures, classes, strict=True):
        place = {"tone": np.s_[20:26], "rumble": np.s_[:6, 5:], "impacts": np.s_[:, 1::5]}[name]
        picture[place] += generator.uniform(1, 3)
    pictures -= pictures.mean(axis=(1, 2, 3), keepdims=True)
    return (pictures / pictures.std(axis=(1, 2, 3), keepdims=True)).astype(np.float16), classes


if __name__ == "__main__":
    main()
