"""Measure novelty on synthetic archives: background at random times, a class never trained on, and false rejects.

A model is trained on the first days without the classes left out; then the last day's events of the known classes,
all events of those left out and windows of noise between events are scored. Several scores are compared.
"""

import argparse
import datetime as dt
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from couloir.config import TrainConfig
from couloir.dec.drift import ratios_to_training
from couloir.dec.holdout import Parts, hold_out
from couloir.dec.novelty import Novelty, _body, _surprise, fit_novelty
from couloir.identifiers import HOUR_NS, day_start_ns
from couloir.runfile import build
from couloir.stages.train import quieten_tensorflow
from couloir.synth import SynthSpec
from windows import FIRST, Pictures, synthesise

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment

RATE = 0.05


def main() -> None:
    """Print AUC and false rejects for each class left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=int, default=1, help="the archive's seed")
    parser.add_argument("--days", type=int, default=6)
    parser.add_argument("--stations", type=int, default=4)
    parser.add_argument("--most", type=int, default=2200, help="events trained on, held-out ones included")
    parser.add_argument("--out", default="none machinery vehicle rockfall earthquake,distant")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each, whose figures vary")
    parser.add_argument(
        "--kept", type=Path, help="folder that keeps models, so that other scores cost no training"
    )
    arguments = parser.parse_args()
    spec = SynthSpec(start=FIRST, days=arguments.days, stations=arguments.stations, seed=arguments.archive)
    settings = settings_of(arguments.preset)
    left_out = [names.split(",") for names in arguments.out.split()]
    trainings = [
        Training(out, arguments.days, arguments.most, settings.model_copy(update={"seed": seed}))
        for out in left_out
        for seed in range(arguments.seeds)
    ]
    events, noise, backgrounds = synthesise(
        spec, background=400, seed=1, trained=[training.fit for training in trainings]
    )
    print(f"archive {arguments.archive}: {len(events)} events")
    print("class left out, score: AUC of its events, AUC of background, false rejects and share caught at 5 %")
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for training, background in zip(trainings, backgrounds, strict=True):
        out, seed = ",".join(training.out), training.settings.seed
        kept = arguments.kept and arguments.kept / f"{arguments.archive}-{out}-{seed}"
        found[out].append(measure(events, noise, background, training, kept=kept))
    if arguments.seeds > 1:
        print("the score that is used, mean ± standard deviation between trainings (least, greatest)")
        for out, results in found.items():
            print(f"{out}: " + "  ".join(f"{key} {_spread([one[key] for one in results])}" for key in results[0]))


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f} ({min(values):.3f}, {max(values):.3f})"


def settings_of(preset: str) -> TrainConfig:
    nowhere = {"archive": {"url": "-", "start": FIRST, "end": FIRST + dt.timedelta(1)}, "output": {"url": "-"}}
    return build({"preset": preset, **nowhere}).train


@dataclass(frozen=True)
class Training:
    """Hold what a model is trained on: events before the last day, without the classes left out."""

    out: list[str]
    days: int
    most: int
    settings: TrainConfig

    def is_new(self, events: Pictures) -> NDArray[np.bool_]:
        """Say which events are of the classes left out."""
        return np.isin(events.labels, self.out)

    def is_last(self, events: Pictures) -> NDArray[np.bool_]:
        """Say which events are of the last day."""
        return events.onsets >= day_start_ns(FIRST + dt.timedelta(days=self.days - 1))

    def split(self, events: Pictures) -> tuple[NDArray[np.int64], Parts]:
        """Choose events, at most `most`; give them, and which of them are trained on and which held out."""
        earlier = np.flatnonzero(~self.is_new(events) & ~self.is_last(events))
        some = np.random.default_rng(0).choice(earlier, min(self.most, len(earlier)), replace=False)
        chosen = np.sort(some)
        return chosen, hold_out(len(chosen), self.settings, events.onsets[chosen] // HOUR_NS)

    def fit(self, events: Pictures) -> NDArray[np.int64]:
        """Give the events that are trained on."""
        chosen, parts = self.split(events)
        return chosen[parts.fit]


def measure(
    events: Pictures,
    noise: Pictures,
    background: NDArray[np.float16] | None,
    training: Training,
    *,
    kept: Path | None = None,
) -> dict[str, float]:
    """Train without some classes, print how well each score finds them, and give the numbers of the one used."""
    quieten_tensorflow()
    from couloir.dec.assign import assign, load_model
    from couloir.dec.training import METRICS, MODEL, train

    settings, new, last = training.settings, training.is_new(events), training.is_last(events)
    chosen, split = training.split(events)
    fit, held = split
    known = events[chosen]
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = kept or Path(temporary)
        if not (folder / METRICS).exists():
            train(known.spectrograms, settings, folder=folder, parts=split, background=background)
        model = load_model(folder / MODEL)
    parts = {
        "fit": known.spectrograms[fit],
        "held": known.spectrograms[held],
        "known": events.spectrograms[~new & last],
        "new": events.spectrograms[new],
        "background": noise.spectrograms,
    }
    said = {name: assign(model, pictures) for name, pictures in parts.items() if len(pictures)}
    novelty = fit_novelty(
        *said["fit"].place,
        clusters=settings.clusters,
        seed=settings.seed,
        background=None if background is None else assign(model, background).place,
    ).calibrated(*said["held"].place)
    seconds = time.perf_counter() - begun
    print(
        f"{','.join(training.out)}, seed {settings.seed}: {len(fit)} fit, {len(held)} held out, {seconds:.0f} s",
        flush=True,
    )
    nearest = NearestNeighbors(n_neighbors=10).fit(said["fit"].latent)
    latent_alone = _latent_density(novelty, said, gaussians=2 * settings.clusters)
    rare = {k: novelty.rareness(a.latent, a.residual) for k, a in said.items()}
    noise = {k: novelty.likeness_to_noise(a.latent, a.reconstruction_error) for k, a in said.items()}
    scores = {
        "larger ratio to the cluster's medians": {k: ratios_to_training(model, a).larger for k, a in said.items()},
        "log reconstruction error": {k: np.log(a.reconstruction_error) for k, a in said.items()},
        "distance to 10 neighbours": {k: nearest.kneighbors(a.latent)[0].mean(axis=1) for k, a in said.items()},
        "1 - confidence": {k: 1 - a.confidence for k, a in said.items()},
        "density of the latent vector": latent_alone,
        "density of latent vector and residual": rare,
        "likeness to noise": noise,
        "latent density + likeness to noise": {
            k: values + _surprise(noise[k], novelty.noise_body) for k, values in _surprises(latent_alone).items()
        },
        "sum of both surprises (used)": {k: novelty.score(*a.place) for k, a in said.items()},
    }
    for name, values in scores.items():
        result = _judge(values, k=round(novelty.threshold(RATE) * (len(held) + 1)))
        print(f"  {name:38s}" + "  ".join(f"{key} {value:.3f}" for key, value in result.items()), flush=True)
    return result


def _latent_density(
    novelty: Novelty, said: "dict[str, Assignment]", *, gaussians: int
) -> dict[str, NDArray[np.float64]]:
    """Give minus the log density of the latent vectors alone, under a mixture of their own."""
    reduced = {k: (a.latent - novelty.centre) @ novelty.basis for k, a in said.items()}
    mixture = GaussianMixture(gaussians, reg_covar=0.01, random_state=0).fit(reduced["fit"])
    return {k: -mixture.score_samples(values) for k, values in reduced.items()}


def _surprises(answers: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    body = _body(answers["fit"])
    return {k: _surprise(values, body) for k, values in answers.items()}


def _judge(values: dict[str, NDArray[np.float64]], *, k: int) -> dict[str, float]:
    limit = np.sort(values["held"])[-k] if k else np.inf
    result = {"rejected": float(np.mean(values["known"] > limit))}
    for name in ("new", "background"):
        if name in values:
            both = np.concatenate([values["known"], values[name]])
            result[name] = float(roc_auc_score(np.arange(len(both)) >= len(values["known"]), both))
            result[f"{name} caught"] = float(np.mean(values[name] > limit))
    return result


if __name__ == "__main__":
    main()
