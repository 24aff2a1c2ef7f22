"""Small runs on two months with ten bursts each, to be copied and worked on."""

import shutil
import warnings

from couloir.errors import CouloirWarning
from couloir.jobs import run_all
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.stages.report import report
from couloir.stages.run import keep_settings, open_archive
from couloir.stages.settings import output_of
from couloir.stages.train import train
from couloir.stages.verify import verify
from couloir.store.outcomes import read_outcomes

from .conftest import SerialPool, Station, make_config

TRAIN = {"clusters": 3, "filters": [4, 4], "latent": 4, "batch": 8, "epochs": 1, "max_iterations": 2}
TRAIN |= {"kmeans_starts": 1}


def write_archive(root):
    station = Station(root)
    for hour in range(1, 11):
        station.burst(f"2024-01-31T{hour:02d}:00:00", amplitude=3_000.0 + 200 * hour)
        station.burst(f"2024-02-01T{hour:02d}:00:00", amplitude=3_000.0 + 200 * hour)
    station.write()
    return root


def detect_quietly(root, output, **sections):
    config = make_config(root, output, train=TRAIN, **sections)
    made = plan(config)
    detect(config, made.inventory, SerialPool(), progress=lambda outcome: None)
    keep_settings(config)
    return config, open_archive(config, made)


def run_to_its_end(root, **sections):
    """Run all stages on two months with eleven bursts each, the training cut to almost nothing."""
    station = Station(root / "archive")
    for hour in range(1, 12):
        station.burst(f"2024-01-31T{hour:02d}:00:00", amplitude=3_000.0 + 200 * hour)
        station.burst(f"2024-02-01T{hour:02d}:00:00", amplitude=3_000.0 + 200 * hour)
    station.write()
    short = TRAIN | {"clusters": 2}
    config = make_config(station.root, root / "output", train=short, compute={"kind": "serial"}, **sections)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CouloirWarning)  # so short a training collapses
        run_all(config)
    return config


def copy_of(config, output):
    """Copy a run's output, and give its settings and its archive there."""
    shutil.copytree(output_of(config).local_path, output)
    config = config.model_copy(update={"output": config.output.model_copy(update={"url": str(output)})})
    keep_settings(config)
    return config, open_archive(config, plan(config))


def train_quietly(config, archive, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CouloirWarning)  # so short a training collapses
        return train(config, archive, progress=lambda *_: None, **options)


def report_on(config, archive):
    return report(config, archive, read_outcomes(output_of(config), archive.blocks))


def verified(config):
    return verify(config, progress=lambda *_: None)
