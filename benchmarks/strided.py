"""Compare a step of pre-training with Keras' own convolutions of stride 2: same network, same batch, same machine.

    KERAS_BACKEND=jax strided.py --batch 32

Only on JAX do Couloir's differ from Keras' own (docs/performance.md, On a GPU). With an accelerator 50 steps are
made at a time.
"""

import argparse
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import numpy as np

from couloir.config import TrainConfig
from couloir.dec import networks
from couloir.dec.accelerator import be_deterministic, has_accelerator
from couloir.dec.augment import Augmenter
from couloir.dec.backend import describe_backend, keras
from couloir.dec.feed import Drawn
from couloir.dec.optimizers import pretraining_descent
from couloir.dec.precision import building_for
from couloir.dec.pretrain import Denoiser
from couloir.dec.resident import Resident, make_resident
from couloir.dec.steps import StepRunner
from timing import in_turns, ratio, show
from training import make_pictures

SAMPLES = 512


def main() -> None:
    """Print the milliseconds of a step both ways, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    be_deterministic()
    settings = TrainConfig(batch=given.batch, precision=given.precision)
    together = 50 if has_accelerator() else 1
    print(f"{describe_backend()}; batches of {given.batch}, {together} at once; {given.precision}", flush=True)
    samples = make_resident(make_pictures(SAMPLES))
    ways = {
        "Keras": make_step(samples, settings, together, keras.layers.Conv2D, keras.layers.Conv2DTranspose),
        "Couloir": make_step(samples, settings, together, networks.Halving, networks.Doubling),
    }
    seconds = in_turns(ways, rounds=given.rounds)
    show(seconds, scale=1e3 / together)
    print(f"Couloir: {ratio(seconds, 'Keras', 'Couloir'):.2f} times as fast a step")


def make_step(
    samples: Resident,
    settings: TrainConfig,
    together: int,
    halving: type[keras.layers.Layer],
    doubling: type[keras.layers.Layer],
) -> Callable[[], float]:
    """Make so many steps of pre-training, of a network that halves and doubles by these layers."""
    with (
        patch.object(networks, "Halving", halving),
        patch.object(networks, "Doubling", doubling),
        building_for(settings),
    ):
        model = networks.build_autoencoder(samples.shape[1:], settings)
    noise = Augmenter(settings.augment, seed=1, purpose="pretrain")
    learner = Denoiser(model, noise, noise=settings.noise, seed=1)
    runner = StepRunner(learner, descent=pretraining_descent(settings), phase="pre-training")
    indices = np.random.default_rng(0).integers(SAMPLES, size=(together, settings.batch))
    return partial(runner.run, Drawn(indices, samples.table, indices.astype(np.int32)))


if __name__ == "__main__":
    main()
