"""Novelty from waveforms to catalog: a class that appears after the training, background, and what is known."""

import datetime as dt
import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from couloir.catalog.events import numpy_column, read_events
from couloir.catalog.truth import read_truth
from couloir.compute import open_pool
from couloir.dec.assign import assign as assign_pictures
from couloir.dec.assign import load_model
from couloir.dec.novelty import load_novelty
from couloir.errors import CouloirWarning
from couloir.identifiers import day_start_ns
from couloir.runfile import build
from couloir.stages.assign import assign
from couloir.stages.detect import detect
from couloir.stages.newness import read_basis
from couloir.stages.plan import plan
from couloir.stages.run import keep_settings, open_archive
from couloir.stages.settings import output_of
from couloir.stages.train import train
from couloir.store.location import Location
from couloir.synth import SynthSpec, write_archive

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FIRST, LAST = dt.date(2024, 3, 4), dt.date(2024, 3, 6)
LEFT_OUT = "machinery"
KNOWN = ("rockfall", "vehicle", "earthquake", "distant", "spike")
SECTIONS = {
    "spectrogram": {"frequencies": 32, "times": 32, "segment_s": 0.62},
    "train": {
        "filters": [8, 16, 24],
        "latent": 16,
        "batch": 32,
        "learning_rate": 0.002,
        "epochs": 12,
        "update_interval": 40,
        "max_iterations": 120,
        "kmeans_starts": 5,
    },
    "compute": {"kind": "threads", "workers": 2},
}


@pytest.fixture(scope="module")
def windows():
    """Give the benchmarks' module that cuts windows of noise between events."""
    sys.path.insert(0, str(BENCHMARKS))
    yield __import__("windows")
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def assigned(tmp_path_factory):
    """Train on two days without machinery, then assign a third one with it."""
    folder = tmp_path_factory.mktemp("novelty")
    spec = {"stations": 2, "faults": False}
    write_archive(f"{folder}/archive", SynthSpec(start=LAST, days=1, **spec))
    truth = read_truth(Location(f"{folder}/archive/truth.csv"))
    write_archive(f"{folder}/archive", SynthSpec(start=FIRST, days=2, classes=KNOWN, **spec))

    def detected(end):
        archive = {"url": f"{folder}/archive", "start": FIRST, "end": end}
        config = build({"archive": archive, "output": {"url": f"{folder}/output"}, **SECTIONS})
        made = plan(config)
        with open_pool(config.compute) as pool:
            detect(config, made.inventory, pool, progress=lambda _: None)
        keep_settings(config)
        return config, open_archive(config, made)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CouloirWarning)  # so short a training may collapse
        train(*detected(LAST), progress=lambda *_: None)
    config, archive = detected(LAST + dt.timedelta(days=1))
    assign(config, archive)
    return config, truth, read_events(output_of(config) / "catalog")


@pytest.fixture(scope="module")
def third_day(assigned):
    """The third day's table, and what each of its events is; "" where it is nothing that stands out."""
    _, truth, table = assigned
    start, onset, end = (numpy_column(table, name) for name in ("start_time", "onset_time", "end_time"))
    station = np.array(table["station"].to_pylist())
    labels = np.full(len(table), "", "<U16")
    for interval in truth:
        met = (station == interval.station) & (np.maximum(start, onset) < interval.end) & (end > interval.start)
        labels[met] = interval.name
    later = onset >= day_start_ns(LAST)
    return table.filter(pa.array(later)), labels[later]


def auc(known, new):
    return roc_auc_score(np.repeat([0, 1], [len(known), len(new)]), np.concatenate([known, new]))


def test_a_class_that_was_left_out_is_newer_than_the_known_ones(third_day):
    table, labels = third_day
    score = numpy_column(table, "novelty")
    found = auc(score[np.isin(labels, KNOWN)], score[labels == LEFT_OUT])
    print(f"{LEFT_OUT}: {found:.3f} of {np.count_nonzero(labels == LEFT_OUT)}")
    assert found > 0.75  # two days train less than the six of docs/clustering.md, where it is 0.95


def test_known_events_are_seldom_rejected(third_day, assigned):
    table, labels = third_day
    rejected, known = numpy_column(table, "rejected"), np.isin(labels, KNOWN)
    basis = read_basis(output_of(assigned[0]) / "catalog")
    print(f"{rejected[known].mean():.3f} of {known.sum()}, {rejected[labels == LEFT_OUT].mean():.3f} of new ones")
    assert basis.against == "training"
    assert basis.held_out >= 45
    assert rejected[known].mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / known.sum())  # two standard errors of 5 %


def test_background_is_newer_than_known_events(third_day, assigned, windows):
    table, labels = third_day
    config, truth, _ = assigned
    only_third = config.model_copy(update={"archive": config.archive.model_copy(update={"start": LAST})})
    noise = windows.noise_of(only_third, truth, 150, seed=1)
    model = output_of(config).local_path / "model"
    scores = load_novelty(model / "novelty.npz").score(
        *assign_pictures(load_model(model / "dec.keras"), noise.spectrograms).place
    )
    found = auc(numpy_column(table, "novelty")[np.isin(labels, KNOWN)], scores)
    print(f"background: {found:.3f}")
    assert found > 0.85
