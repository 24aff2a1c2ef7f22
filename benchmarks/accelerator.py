"""Time the published training on an accelerator, as a multiple of what its memory traffic alone would take.

    KERAS_BACKEND=jax accelerator.py --precision bfloat16

47,049 spectrograms, 200 epochs of pre-training and 30,000 iterations of clustering. Forward and backward a sample
moves about 3.0 MB in bfloat16 (its 83.3 MFLOP take less): at 3.0 TB/s 9.4 s of pre-training, 7.7 s of clustering.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from couloir.config import TrainConfig
from couloir.dec.accelerator import be_deterministic, has_accelerator
from couloir.dec.backend import describe_backend
from couloir.dec.centroids import begin_clustering
from couloir.dec.joint import cluster
from couloir.dec.log import TrainingLog
from couloir.dec.networks import build_autoencoder, encoder_of
from couloir.dec.precision import building_for
from couloir.dec.predict import predict
from couloir.dec.pretrain import pretrain
from couloir.dec.resident import make_resident, settle
from training import PUBLISHED, make_pictures

MOVED = 3.0e6
"""Bytes that a sample moves in one step."""
DRAWN = 4096
"""Different pictures; the data set repeats them."""


def main() -> None:
    """Print seconds and multiples of the floor of both phases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=PUBLISHED)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=30_000)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--deterministic", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--bandwidth", type=float, default=3.0, help="of the accelerator's memory, TB/s")
    parser.add_argument("--stream", action="store_true", help="leave the spectrograms in this machine's memory")
    parser.add_argument("--anyway", action="store_true", help="without an accelerator, too")
    given = parser.parse_args()
    if given.deterministic:
        be_deterministic()  # before the device is opened to see whether it is there
    if not (has_accelerator() or given.anyway):
        print("left out: the backend finds no accelerator")
        return
    settings = TrainConfig(
        epochs=given.epochs,
        max_iterations=given.iterations,
        tolerance=0.0,
        precision=given.precision,
        deterministic=given.deterministic,
    )
    kinds = make_pictures(min(DRAWN, given.samples))
    pictures = kinds[np.arange(given.samples) % len(kinds)]
    samples = pictures if given.stream else make_resident(pictures) if given.anyway else settle(pictures)
    print(f"{describe_backend()}; {given.samples} spectrograms {type(samples).__name__}; {settings.precision}")
    seconds = run(samples, settings)
    steps = {"pre-training": given.epochs * given.samples, "clustering": given.iterations * settings.batch}
    for phase, took in seconds.items():
        floor = steps[phase] * MOVED / (given.bandwidth * 1e12)
        print(f"{phase:13s} {took:8.1f} s = {took / floor:6.1f} times the floor of {floor:.1f} s")
    print(f"both          {sum(seconds.values()):8.1f} s (120 s or less is wanted of the published size)")


def run(samples: object, settings: TrainConfig) -> dict[str, float]:
    """Give the seconds of both phases, compiling included."""
    shape = samples.shape[1:]
    with tempfile.TemporaryDirectory() as folder, TrainingLog(Path(folder) / "log.csv") as log:
        with building_for(settings):
            autoencoder = build_autoencoder(shape, settings)
        begun = time.perf_counter()
        pretrain(autoencoder, samples, settings=settings, log=log)
        pretrained = time.perf_counter()
        model, _ = begin_clustering(autoencoder, predict(encoder_of(autoencoder), samples), settings)
        initialised = time.perf_counter()
        cluster(model, samples, settings=settings, log=log)
        return {"pre-training": pretrained - begun, "clustering": time.perf_counter() - initialised}


if __name__ == "__main__":
    main()
