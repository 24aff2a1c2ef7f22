"""Compare the way from windows to stored spectrograms with SciPy's, event by event, on one core."""

import argparse

from timing import in_turns, ratio, show, use_one_core

use_one_core()

import numpy as np  # noqa: E402 - the number of threads is set before NumPy is loaded

from baselines.spectrogram import spectrogram  # noqa: E402
from couloir.config import DetectConfig, SpectrogramConfig  # noqa: E402
from couloir.stages.settings import Picturing  # noqa: E402

EVENTS = 64


def main() -> None:
    """Print the times a batch of 64 events and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rng = np.random.default_rng(1)
    time = np.arange(2000) / 100.0
    burst = np.exp(-np.maximum(time - 5.0, 0) / 3.0) * (time > 5.0)
    windows = rng.normal(0, 100, (EVENTS, 3, 2000)) + 2000 * burst * rng.normal(0, 1, (EVENTS, 3, 2000))
    windows = windows.astype(np.float32)
    picturing = Picturing(DetectConfig(), SpectrogramConfig())
    ways = {
        "scipy.signal.stft + scipy.stats.boxcox": lambda: [spectrogram(window) for window in windows],
        "couloir": lambda: picturing(windows),
    }
    seconds = in_turns(ways, rounds=rounds)
    print(f"{EVENTS} events of 3 x 2000 samples to 128 x 128 x 3, one core")
    show(seconds)
    print(f"scipy / couloir: {ratio(seconds, *ways):.1f}  (25 or more is wanted)")


if __name__ == "__main__":
    main()
