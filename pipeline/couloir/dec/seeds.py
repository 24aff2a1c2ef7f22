"""Give every random draw of a training its own stream, all from one seed."""

import zlib

import numpy as np


def derive_seed(seed: int, purpose: str) -> int:
    """Derive the seed of one purpose, such as ``"noise"``, from the run's seed.

    Naming the purposes keeps the streams apart: drawing more for one never moves another.

    Parameters
    ----------
    seed
        The run's seed; any integer.
    purpose
        What is drawn.

    Returns
    -------
    int
        A seed of 31 bits, which NumPy, scikit-learn and every Keras backend accept.
    """
    entropy = (seed % 2**32, zlib.crc32(purpose.encode()))
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


def make_generator(seed: int, purpose: str) -> np.random.Generator:
    """Make NumPy's generator for one purpose."""
    return np.random.default_rng(derive_seed(seed, purpose))
