"""Small spectrogram-like pictures of known classes, and a model trained on them once."""

from pathlib import Path

import numpy as np
import pytest

from couloir.config import TrainConfig
from couloir.dec.training import train

CLASSES = ("tone", "impacts", "rumble")


def draw(kind, generator):
    """Draw one standardised picture (32, 16, 3): a steady tone, a train of impacts, or a low rumble."""
    picture = generator.normal(scale=0.4, size=(32, 16, 3))
    strength = generator.uniform(2, 4)
    if kind == "tone":
        picture[20:26] += strength
    elif kind == "impacts":
        picture[:, 1::5] += strength
    else:
        picture[:6, 5:] += strength
    return (picture - picture.mean()) / picture.std()


class Recorder:
    """Samples that remember which indices were asked for, and that offer nothing but indexing."""

    def __init__(self, samples):
        self._samples = samples
        self.shape = samples.shape
        self.asked = []

    def __len__(self):
        return len(self._samples)

    def __getitem__(self, indices):
        assert indices.dtype == np.int64
        self.asked.append(indices)
        return self._samples[indices]


@pytest.fixture(scope="session")
def pictures():
    generator = np.random.default_rng(0)
    classes = np.array(CLASSES)[np.arange(96) % 3]
    return np.stack([draw(kind, generator) for kind in classes]).astype(np.float16), classes


@pytest.fixture(scope="session")
def samples(pictures):
    return pictures[0]


@pytest.fixture
def recorder(samples):
    return Recorder(samples)


@pytest.fixture(scope="session")
def settings():
    return TrainConfig(
        clusters=3,
        filters=(4, 8),
        latent=4,
        learning_rate=0.01,
        batch=16,
        epochs=8,
        update_interval=8,
        tolerance=0.0,
        max_iterations=20,
        kmeans_starts=3,
        seed=7,
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="session")
def told():
    """Every progress report of the session's training."""
    return []


@pytest.fixture(scope="session")
def trained(samples, settings, folder, told):
    return train(samples, settings, folder=folder, progress=lambda *report: told.append(report))
