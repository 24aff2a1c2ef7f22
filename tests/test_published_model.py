"""The published model recognises our spectrograms of its own network: the inputs are the published ones."""

import numpy as np
import pytest

from couloir.catalog.truth import read_truth
from couloir.compute import open_pool
from couloir.config import TrainConfig
from couloir.runfile import build
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.stages.run import open_archive
from couloir.store.location import Location

ROCKFALL, EARTHQUAKE = {3}, {0, 5}


@pytest.fixture(scope="module")
def windows(shared_data, tmp_path_factory):
    """Spectrograms of the detected windows, and the labels of the intervals that their triggers meet."""
    luhu = shared_data("luhu-088")
    config = build(
        {
            "archive": {"url": str(luhu / "sds"), "start": "2020-03-28", "end": "2020-03-29"},
            "output": {"url": str(tmp_path_factory.mktemp("published"))},
            "compute": {"kind": "threads", "workers": 2},
        }
    )
    made = plan(config)
    with open_pool(config.compute) as pool:
        detect(config, made.inventory, pool, progress=lambda outcome: None)
    archive = open_archive(config, made)
    onset, end = archive.column("onset_time"), archive.column("end_time")
    station = np.array([archive.blocks[number].band.station for number in archive.block_numbers()])
    labels = np.full(len(archive), "", object)
    for interval in read_truth(Location(str(luhu / "pseudo_labels.csv"))):
        meets = (station == interval.station) & (onset < interval.end + 1e9) & (end > interval.start - 1e9)
        labels[meets] = interval.name
    return archive.load(), labels


@pytest.fixture(scope="module")
def clusters(windows, shared_data):
    """The published model's cluster of each window, and its mean reconstruction error."""
    import h5py

    from couloir.dec.assign import assign
    from couloir.dec.clustering import build_clustering_model
    from couloir.dec.networks import build_autoencoder

    names = {
        "latent": "encoded",
        "expand": "dense_1",
        "reconstruction": "decoded",
        **{f"encoder_{k}": f"Conv_{k}" for k in (1, 2, 3, 4)},
        **{f"decoder_{k}": f"ConvT_{k}" for k in (1, 2, 3)},
    }
    with h5py.File(shared_data("luhu-model") / "dcec_model_final.h5") as file:
        autoencoder = build_autoencoder((128, 128, 3), TrainConfig())
        for ours, theirs in names.items():
            held = file[theirs][theirs]
            autoencoder.get_layer(ours).set_weights([held["kernel:0"][()], held["bias:0"][()]])
        model = build_clustering_model(autoencoder, file["clustering/clustering/clusters:0"][()], alpha=1.0)
    assignment = assign(model, windows[0])
    return assignment.cluster, float(assignment.reconstruction_error.mean())


def share(clusters, wanted):
    return float(np.isin(clusters, list(wanted)).mean())


def test_rockfalls_and_earthquakes_fall_into_their_published_clusters(windows, clusters):
    labels, (cluster, error) = windows[1], clusters
    rockfalls = share(cluster[labels == "rockfall"], ROCKFALL)
    earthquakes = share(cluster[labels == "earthquake"], EARTHQUAKE)
    print(f"rockfall {rockfalls:.2f}, earthquake {earthquakes:.2f}, reconstruction error {error:.3f}")
    assert rockfalls >= 0.8
    assert earthquakes >= 0.65
    assert error < 0.35
