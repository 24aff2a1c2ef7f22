"""Say what `train.seeds` makes of the models that clustering.py has trained.

    clustering_seeds.py usps=usps.h5 conv-da --of 5

Takes every choice of so many seeds among the models in benchmarks/results, which are kept where they were trained
and not in the repository, and scores the medoid of each: the one that agrees best with the others.
"""

import argparse
import os
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from clustering import RESULTS
from couloir.dec.assess import score_clusters
from couloir.dec.consensus import find_consensus
from samples import DATA, DataSet, load


def main() -> None:
    """Print the scores of all seeds, and of the medoids."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help=DATA)
    parser.add_argument("method")
    parser.add_argument("--of", type=int, default=5, help="how many seeds are trained together")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results and models")
    options = parser.parse_args()
    data = load(options.data)
    paths = (options.results / data.name / options.method).glob("*/dec.keras")
    runs = {int(path.parent.name): label(path, data) for path in paths}
    if len(runs) < options.of:
        raise SystemExit(
            f"{len(runs)} models of {data.name} {options.method} are here; --of {options.of} wants more."
        )
    seeds = sorted(runs)
    for seed in seeds:
        print(f"seed {seed}: accuracy {accuracy(data, runs[seed]):.3f}")
    scores = medoid_scores(data, [runs[seed] for seed in seeds], options.of)
    print(f"medoid of {options.of}, {len(scores)} choices: {min(scores):.3f} to {max(scores):.3f}, ", end="")
    print(f"mean {np.mean(scores):.3f}")


def label(path: Path, data: DataSet) -> NDArray[np.int32]:
    """Give the cluster of each sample (N,) by a model."""
    import keras

    import couloir.dec.clustering  # noqa: F401 - Keras looks for its layer

    model = keras.models.load_model(path)
    soft = keras.Model(model.inputs, model.get_layer("clustering").output)
    return np.asarray(soft.predict(data.samples, batch_size=512, verbose=0).argmax(axis=1), np.int32)


def medoid_scores(data: DataSet, runs: list[NDArray[np.int32]], of: int) -> list[float]:
    """Score the medoid of every choice of so many clusterings."""
    chosen = (list(choice) for choice in combinations(runs, of))
    return [accuracy(data, some[find_consensus(some, data.clusters).medoid]) for some in chosen]


def accuracy(data: DataSet, labels: NDArray[np.int32]) -> float:
    """Give the share of samples in the right cluster, matched by Hungarian."""
    return score_clusters(data.classes, labels).hungarian_accuracy


if __name__ == "__main__":
    main()
