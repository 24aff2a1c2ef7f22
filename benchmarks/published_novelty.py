"""Measure how novelty tells background of the published model's own network from the events detected there.

The 80 minutes of luhu-088 are too short to hold out whole hours, so ten-minute spans take their place: in each of
several draws three fifths of them are fitted to, a fifth calibrates, and on the last fifth and on windows of
background at random times the score is tested.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from couloir.catalog.truth import read_truth
from couloir.config import RunConfig
from couloir.dec.assign import Assignment, assign, load_model
from couloir.dec.drift import ratios_to_training
from couloir.dec.itself import measure_against_itself
from couloir.dec.novelty import fit_novelty
from couloir.runfile import build
from couloir.stages.background import make_background
from couloir.stages.importing import import_model
from couloir.stages.plan import plan
from couloir.stages.run import open_archive
from couloir.stages.train import BACKGROUND
from couloir.store.location import Location
from windows import Pictures, events_of, noise_of

RATE = 0.05
SPAN_NS = 600 * 10**9


def main() -> None:
    """Print AUC, share caught and false rejects of each score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of luhu-088 and luhu-model")
    parser.add_argument("--background", type=int, default=400)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = build(
            {
                "archive": {
                    "url": str(arguments.data / "luhu-088" / "sds"),
                    "start": "2020-03-28",
                    "end": "2020-03-29",
                },
                "output": {"url": folder},
                "compute": {"kind": "threads", "workers": 1},
            }
        )
        truth = read_truth(Location(str(arguments.data / "luhu-088" / "pseudo_labels.csv")))
        import_model(config, str(arguments.data / "luhu-model" / "dcec_model_final.h5"))
        network = load_model(Path(folder) / "model" / "dec.keras")
        events = events_of(config, truth)
        noise = noise_of(config, truth, arguments.background, seed=1)
        of_events, of_noise = (assign(network, pictures.spectrograms) for pictures in (events, noise))
        archive, made = open_archive(config, plan(config)), []
        for seed in range(arguments.draws):
            fit, _, _ = parts_of(events, seed)
            made.append(assign(network, make_background(archive, config, count=BACKGROUND, among=fit)))
    print(f"{len(of_events)} events, {len(of_noise)} windows of background")
    clusters = np.bincount(of_noise.cluster, minlength=of_noise.q.shape[1])
    print(f"background falls into clusters {clusters.tolist()}, mean confidence {of_noise.confidence.mean():.2f}")
    medians = measure_against_itself(network, of_events).larger  # leaves the medians in the network
    print(f"ratio to medians: AUC {auc(medians, ratios_to_training(network, of_noise).larger):.3f}")
    print(f"error: AUC {auc(of_events.reconstruction_error, of_noise.reconstruction_error):.3f}")
    for name, known in (("noise before onsets", made), ("no noise", [None] * arguments.draws)):
        rows = [draw(config, events, of_events, of_noise, one, seed=seed) for seed, one in enumerate(known)]
        means, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
        told = zip(("AUC", "AUC against labelled events", "caught", "events rejected"), means, spread, strict=True)
        print(f"{name}: " + ", ".join(f"{what} {mean:.3f} +- {std:.3f}" for what, mean, std in told))


def parts_of(pictures: Pictures, seed: int) -> list[NDArray[np.int64]]:
    """Give the events to fit to, to calibrate on and to test: three fifths, one and one of the spans of time."""
    spans, span = np.unique(pictures.onsets // SPAN_NS, return_inverse=True)
    fifths = np.random.default_rng(seed).permutation(np.arange(len(spans)) * 5 // len(spans))[span]
    return [np.flatnonzero(np.isin(fifths, part)) for part in ([0, 1, 2], [3], [4])]


def draw(
    config: RunConfig,
    pictures: Pictures,
    events: Assignment,
    noise: Assignment,
    made: Assignment | None,
    *,
    seed: int,
) -> tuple[float, float, float, float]:
    """Fit, calibrate and test on spans of time drawn at random; give both AUCs, noise caught, events rejected."""
    fit, held, test = parts_of(pictures, seed)
    novelty = fit_novelty(
        *events.at(fit).place,
        clusters=events.q.shape[1],
        seed=config.train.seed,
        background=None if made is None else made.place,
    ).calibrated(*events.at(held).place)
    known, new = (novelty.judge(*said.place, rate=RATE) for said in (events.at(test), noise))
    labelled = pictures.labels[test] != ""
    aucs = auc(known.score, new.score), auc(known.score[labelled], new.score)
    return *aucs, float(new.rejected.mean()), float(known.rejected.mean())


def auc(known: NDArray[np.float32], new: NDArray[np.float32]) -> float:
    """Give the probability that a new window scores higher than a known one."""
    return float(roc_auc_score(np.repeat([0, 1], [len(known), len(new)]), np.concatenate([known, new])))


if __name__ == "__main__":
    main()
