"""Make what is not ground motion: electronic spikes and offset steps."""

from dataclasses import dataclass

import numpy as np

from couloir.synth.geometry import Site, Station
from couloir.synth.wave import Wave


@dataclass(frozen=True)
class Spike:
    """Hold a spike: one to four samples on one component, counts."""

    component: int
    counts: tuple[float, ...]

    @classmethod
    def draw(cls, rng: np.random.Generator, _site: Site) -> "Spike":
        """Draw a spike between some hundred and some ten thousand counts, of either sign."""
        size = 700 * np.exp(rng.normal(0, 1.2)) * rng.choice([-1, 1])
        shape = (1.0, *rng.uniform(-0.7, 0.7, rng.integers(0, 4)))
        return cls(component=int(rng.integers(3)), counts=tuple(float(size * part) for part in shape))

    def record(self, _station: Station, *, rng: np.random.Generator, sampling_rate: float) -> Wave:  # noqa: ARG002
        """Give the spike with one zero on either side."""
        samples = np.zeros((3, len(self.counts) + 2))
        samples[self.component, 1:-1] = self.counts
        return Wave(delay_s=0.0, samples=samples)


@dataclass(frozen=True)
class Step:
    """Hold a step: an offset (counts) on one component that leaks away with a time constant (s)."""

    component: int
    counts: float
    leak_s: float

    @classmethod
    def draw(cls, rng: np.random.Generator, _site: Site) -> "Step":
        """Draw a step between some hundred and a hundred thousand counts."""
        return cls(
            component=int(rng.integers(3)),
            counts=float(3000 * np.exp(rng.normal(0, 1.3)) * rng.choice([-1, 1])),
            leak_s=float(rng.uniform(60, 400)),
        )

    def record(self, _station: Station, *, rng: np.random.Generator, sampling_rate: float) -> Wave:  # noqa: ARG002
        """Give the jump and the five time constants after it, brought to zero at their end."""
        length = round(5 * self.leak_s * sampling_rate)
        time = np.arange(length) / sampling_rate
        samples = np.zeros((3, length + 1))
        leak = np.exp(-time / self.leak_s) * np.linspace(1, 0, length)
        samples[self.component, 1:] = self.counts * leak
        return Wave(delay_s=0.0, samples=samples)
