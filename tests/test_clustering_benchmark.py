"""The clustering benchmark scores presets and peers, goes on where it stopped, and writes its table."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SHORT = ("units=[20, 20, 40]", "batch=20", "epochs=6", "max_iterations=6", "update_interval=3", "kmeans_starts=2")


@pytest.fixture(scope="module")
def benchmark():
    """Give a function that imports a module of the benchmarks."""
    sys.path.insert(0, str(BENCHMARKS))
    yield __import__
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def data(tmp_path):
    generator = np.random.default_rng(1)
    kinds = np.arange(60) % 2
    samples = generator.normal(scale=0.2, size=(60, 16, 16, 1)).astype(np.float32)
    samples[kinds == 0, :5] += 1.5
    samples[kinds == 1, 9:] += 1.5
    np.savez(tmp_path / "two.npz", samples=samples, classes=np.array(["a", "b"])[kinds])
    return tmp_path / "two.npz"


def run(data, folder, *options):
    command = [
        sys.executable,
        str(BENCHMARKS / "clustering.py"),
        f"npz={data}",
        "--results",
        str(folder),
        *options,
    ]
    for change in SHORT:
        command += ["--set", change]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_preset_and_its_peers_are_scored_once_and_stand_in_the_table(data, tmp_path):
    results = tmp_path / "results"
    told = run(data, results, "--methods", "dec,pca+k-means,clustpy dec", "--seeds", "2")
    assert "two dec 1: accuracy 1.0000" in told
    found = json.loads((results / "two/dec/0.json").read_text())
    assert (found["hungarian_accuracy"], found["epochs"], found["samples"]) == (1, 6, 60)
    lines = (results / "table.md").read_text().splitlines()
    rows = {row[2].strip(): [cell.strip() for cell in row] for row in (line.split("|") for line in lines[2:])}
    assert {"dec", "k-means in dec's autoencoder", "pca+k-means"} <= set(rows)
    assert rows["dec"][3] == "1.000 ± 0.000 (1.000, 1.000)"
    assert rows["dec"][8:10] == ["2", "6"]
    assert "left out: No module named" in told or "clustpy dec" in rows
    before = (results / "two/dec/0.json").stat().st_mtime_ns
    assert "accuracy" not in run(data, results, "--methods", "dec,pca+k-means", "--seeds", "2").split("| data")[0]
    assert (results / "two/dec/0.json").stat().st_mtime_ns == before
    again = run(data, results, "--methods", "dec", "--seeds", "1", "--set", "latent=4")
    assert "made with other settings" in again
    assert (results / "two/dec/0.json").stat().st_mtime_ns == before


def test_a_peer_that_fails_is_not_taken_for_one_that_is_missing(benchmark):
    clustering, samples = benchmark("clustering"), benchmark("samples")
    digits = samples.DataSet("two", np.zeros((4, 4, 4, 1)), np.array(["0", "1", "0", "1"]))
    found = clustering.run_peer(digits, "no such method", 0, sys.executable)
    assert found["failed"]
    assert "KeyError: 'no such method'" in found["skipped"]


def test_the_table_gives_mean_spread_best_and_worst(benchmark):
    describe = benchmark("clustering_table").describe
    assert describe([0.5]) == "0.500"
    assert describe([0.7, 0.8, 0.9]) == "0.800 ± 0.100 (0.900, 0.700)"


def test_mnist_is_read_from_idx_files_from_0_to_1(benchmark, tmp_path):
    for part, count in (("train", 3), ("t10k", 2)):
        pixels = np.full((count, 28, 28), 51, np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">HBB3I", 0, 8, 3, count, 28, 28) + pixels.tobytes()
        )
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">HBBI", 0, 8, 1, count) + bytes(range(count))
        )
    mnist = benchmark("samples").load(f"mnist={tmp_path}")
    assert mnist.samples.shape == (5, 28, 28, 1)
    assert np.allclose(mnist.samples, 0.2)
    assert mnist.classes.tolist() == ["0", "1", "2", "0", "1"]


def test_data_that_is_not_there_is_refused_by_name(benchmark):
    samples = benchmark("samples")
    with pytest.raises(SystemExit, match=r"nowhere\.h5, for usps, is not there"):
        samples.load("usps=nowhere.h5")
    with pytest.raises(SystemExit, match=r"give usps=FILE\.h5, mnist=FOLDER"):
        samples.load("digits")


def test_settings_of_a_preset_on_usps_are_those_of_the_published_experiment(benchmark):
    clustering, samples = benchmark("clustering"), benchmark("samples")
    digits = samples.DataSet("usps", np.zeros((4, 16, 16, 1)), np.array(["0", "1", "", "1"]))
    settings = clustering.settings_of(digits, "conv-da", 3, {"epochs": 9})
    assert (settings.clusters, settings.seed, settings.epochs, settings.update_interval) == (2, 3, 9, 30)
    assert (settings.augment.rotation, settings.augment.shift, settings.augment.time_mask) == (10, 0.1, 0)


def test_the_medoid_of_seeds_is_scored_for_every_choice(benchmark):
    seeds = benchmark("clustering_seeds")
    classes = np.repeat(["a", "b", "c", "d"], 25)
    right = np.repeat([2, 0, 3, 1], 25).astype(np.int32)
    merged, half = right.copy(), right.copy()
    merged[:50] = 0  # two classes in one cluster
    half[:25:2] = 0  # half of one in the other's, so that it lies between the two
    data = benchmark("samples").DataSet("made-up", np.zeros((100, 1)), classes)
    scores = seeds.medoid_scores(data, [right, right, merged, half], 3)
    assert scores == pytest.approx([1.0, 1.0, 0.87, 0.87])
