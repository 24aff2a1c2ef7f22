"""Say what a model is, beside it: where it comes from, what it takes, and what its clusters are called."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from couloir.config import DetectConfig, RunConfig, SpectrogramConfig, content_hash
from couloir.errors import DamagedError, ModelFileError
from couloir.kernels.spectrogram import COMPONENTS

CARD = "model.json"
PICTURE_VERSION = 1
"""Raised whenever spectrograms of the same settings come out otherwise than before."""
_FORMAT = 1
_DECIDES = ("network", "kmeans", "novelty_sha256")
"""What of an imported model's provenance decides its answers, beside the file itself."""
_VERSIONS = ("couloir", "keras", "numpy")


@dataclass(frozen=True)
class Card:
    """Hold what a model is.

    Attributes
    ----------
    preprocessing : dict
        What decides the spectrograms that it takes, by the names of the run file, the order of the components,
        and the bands in which its events were found.
    clusters : int
        Their number.
    names : dict of int to str
        What clusters are called; those that have no name are missing.
    provenance : dict
        How it was made: ``kind`` is ``trained`` or ``imported``.
    """

    preprocessing: dict[str, Any]
    clusters: int
    names: dict[int, str]
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def imported(self) -> bool:
        """Whether it was made elsewhere."""
        return self.provenance.get("kind") == "imported"

    @property
    def model_id(self) -> str:
        """Name an imported model by all that decides what it says of an event."""
        file, names = self.provenance.get("sha256"), sorted(self.names.items())
        beside = [self.provenance[key] for key in _DECIDES if key in self.provenance]
        return content_hash("imported", file, self.preprocessing, names, *beside)

    @property
    def knows_training(self) -> bool:
        """Whether it was trained by Couloir, here or elsewhere, and so knows what its events were like."""
        return _training(self.provenance) is not None

    def dump(self) -> bytes:
        """Write it as JSON."""
        names = {str(cluster): name for cluster, name in sorted(self.names.items())}
        text = json.dumps({"format": _FORMAT, **asdict(self), "names": names}, indent=1, ensure_ascii=False)
        return f"{text}\n".encode()

    @classmethod
    def load(cls, data: bytes, *, place: str) -> "Card":
        """Read it back.

        Raises
        ------
        DamagedError
            When it is not as it was written.
        ModelFileError
            When another version wrote it, in a format that this one does not know.
        """
        try:
            held = json.loads(data)
            if held["format"] != _FORMAT:
                raise ModelFileError(
                    f"{place} is of format {held['format']}, and this version of Couloir knows format {_FORMAT}. "
                    "Use the version that wrote it or a later one."
                )
            names = {int(cluster): str(name) for cluster, name in held["names"].items()}
            return cls(dict(held["preprocessing"]), int(held["clusters"]), names, dict(held["provenance"]))
        except ModelFileError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"{place} is damaged: {error}") from error

    def refuse_unlike(self, config: RunConfig) -> None:
        """Refuse spectrograms that are made otherwise than those the model takes.

        Raises
        ------
        ModelFileError
            Naming each setting that differs, with both values.
        """
        here = preprocessing_of(config.detect, config.spectrogram)
        unlike = [
            f"{name} {self.preprocessing.get(name)} -> {value}"
            for name, value in here.items()
            if name != "detect.band" and self.preprocessing.get(name) != value
        ]
        if unlike:
            raise ModelFileError(
                f"The model ({self.origin}) takes other spectrograms than those of this run: {', '.join(unlike)}. "
                "Make the spectrograms as it takes them, in another output.url or with --redo, or train a model "
                "of your own: couloir train --redo."
            )

    @property
    def origin(self) -> str:
        """Say in a few words where it comes from."""
        if self.imported:
            centroids = self.provenance.get("centroids")
            found = f"; centroids: {centroids}" if centroids else ""
            if training := _training(self.provenance):
                found = f", {_in_words(training)}"
            return f"imported from {self.provenance.get('file')}{found}"
        return _in_words(self.provenance)


def _training(made: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give how a model was trained, through however many outputs it came; None where that is not known."""
    while made.get("kind") == "imported" and "came_from" in made:
        made = made["came_from"]
    return made if made.get("kind") == "trained" else None


def _in_words(training: Mapping[str, Any]) -> str:
    return f"trained on {training.get('events', 0):,} events, {training.get('period')}"


def preprocessing_of(detect: DetectConfig, spectrogram: SpectrogramConfig) -> dict[str, Any]:
    """Gather what decides a spectrogram, as JSON holds it; and the bands, which decide what becomes one."""
    return {
        "detect.sampling_rate": detect.sampling_rate,
        "detect.window_s": detect.window_s,
        "detect.before_onset_s": detect.before_onset_s,
        **{f"spectrogram.{name}": value for name, value in spectrogram.model_dump(mode="json").items()},
        "components": list(COMPONENTS),
        "version": PICTURE_VERSION,
        "detect.band": [list(band) for band in detect.bands],
    }


def card_of_training(
    config: RunConfig, *, model_id: str, digest: str, events: int, backend: Mapping[str, str]
) -> Card:
    """Describe a model that was trained on the run's own events, by ``name`` and ``version`` of a backend."""
    archive = config.archive
    made = {
        "kind": "trained",
        "model_id": model_id,
        "archive": digest,
        "events": events,
        "period": f"{archive.start} to {archive.end}",
        "select": list(archive.select),
        "preset": config.preset,
        "train": config.train.model_dump(mode="json"),
        "versions": {**versions(), backend["name"]: backend["version"]},
    }
    return Card(preprocessing_of(config.detect, config.spectrogram), config.train.clusters, {}, made)


def versions() -> Mapping[str, str]:
    """Give the versions of what makes a model."""
    return {name: version(name) for name in _VERSIONS}
