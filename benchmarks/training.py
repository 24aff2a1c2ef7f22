"""Compare the training with a plain Keras port of the published notebook: same recipe, same data, same machine."""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from baselines import training as plain
from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.centroids import begin_clustering
from couloir.dec.joint import cluster
from couloir.dec.log import TrainingLog
from couloir.dec.networks import build_autoencoder, encoder_of
from couloir.dec.predict import predict
from couloir.dec.pretrain import pretrain
from timing import ratio, show

PUBLISHED, INTERVAL, BATCH = 47_049, 150, 256


def make_pictures(count: int) -> np.ndarray:
    """Make spectrogram-like pictures of six kinds: smooth blobs at places of their own, with noise."""
    rng = np.random.default_rng(0)
    frequency, moment = np.mgrid[0:1:128j, 0:1:128j]
    kinds = []
    for number in range(6):
        blob = np.exp(
            -((frequency - 0.15 * (number + 1)) ** 2) / 0.02 - (moment - 0.4) ** 2 / (0.01 + 0.02 * number)
        )
        kinds.append(3 * blob[..., None] * np.linspace(1, 0.5, 3))
    kind = rng.integers(6, size=count)
    out = np.empty((count, 128, 128, 3), np.float16)
    for number in range(count):
        out[number] = kinds[kind[number]] * rng.uniform(0.5, 1.5) + rng.normal(0, 0.5, (128, 128, 3))
    return out


class Stopwatch:
    """Give the seconds between two steps that are told, whatever was compiled before the first."""

    def __init__(self, first: int, last: int) -> None:
        self._marks = {first: 0.0, last: 0.0}
        self._ends = first, last

    def tell(self, done: int) -> None:
        """Note the time of a step."""
        if done in self._marks:
            self._marks[done] = time.perf_counter()

    def progress(self, _phase: str, done: int, _total: int, message: str) -> None:
        """Note the time of a step of Couloir's."""
        if message:
            self.tell(done)

    @property
    def seconds(self) -> float:
        """Seconds between the two steps."""
        first, last = self._ends
        if not all(self._marks.values()):
            raise RuntimeError(f"the steps {first} and {last} were not told one by one")
        return self._marks[last] - self._marks[first]


def run_plain(images: np.ndarray, settings: TrainConfig) -> dict[str, float]:
    """Give the seconds of one epoch, and of the clustering's periods, of the port."""
    keras.utils.set_random_seed(0)
    autoencoder = plain.build_autoencoder()
    epoch = Stopwatch(1, settings.epochs)
    plain.pretrain(autoencoder, images, epochs=settings.epochs, batch=BATCH, tell=epoch.tell)
    model = plain.begin_clustering(autoencoder, images, settings.clusters)
    periods = Stopwatch(1, settings.max_iterations)
    plain.cluster(
        model,
        images,
        iterations=settings.max_iterations,
        interval=settings.update_interval,
        batch=BATCH,
        tell=periods.tell,
    )
    return {"pre-training": epoch.seconds, "clustering": periods.seconds}


def run_ours(samples: np.ndarray, settings: TrainConfig) -> dict[str, float]:
    """Give the same of Couloir."""
    steps = len(samples) // BATCH
    epoch = Stopwatch(steps, settings.epochs * steps)
    periods = Stopwatch(1, settings.max_iterations)
    with tempfile.TemporaryDirectory() as folder, TrainingLog(Path(folder) / "log.csv") as log:
        autoencoder = build_autoencoder(samples.shape[1:], settings)
        pretrain(autoencoder, samples, settings=settings, log=log, progress=epoch.progress)
        model, _ = begin_clustering(autoencoder, predict(encoder_of(autoencoder), samples), settings)
        cluster(model, samples, settings=settings, log=log, progress=periods.progress)
    return {"pre-training": epoch.seconds, "clustering": periods.seconds}


def main() -> None:
    """Print seconds and ratios of both phases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=12, help="batches of 256 in the data set")
    parser.add_argument("--periods", type=int, default=2, help="renewals of the target that are timed")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    count = given.batches * BATCH
    interval = max(
        1, round(count / PUBLISHED * INTERVAL)
    )  # a renewal is as large a share of the work as published
    samples = make_pictures(count)
    images = samples.astype(np.float32)
    settings = TrainConfig(
        epochs=2,
        batch=BATCH,
        update_interval=interval,
        max_iterations=given.periods * interval + 1,
        tolerance=0.0,
    )
    print(f"{keras.backend.backend()}; {count} spectrograms; a renewal every {interval} iterations", flush=True)
    runs = {"plain Keras": partial(run_plain, images), "couloir": partial(run_ours, samples)}
    rounds = [{name: run(settings) for name, run in runs.items()} for _ in range(given.rounds)]
    for phase, unit, wanted in (("pre-training", "s an epoch", 1.0), ("clustering", "s", 1.3)):
        seconds = {name: [each[name][phase] for each in rounds] for name in runs}
        print(f"\n{phase}")
        show(seconds, unit=unit, scale=1)
        print(f"plain Keras / couloir: {ratio(seconds, *runs):.2f}  ({wanted} or more is wanted)")


if __name__ == "__main__":
    main()
