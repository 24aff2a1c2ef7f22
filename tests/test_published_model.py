"""The published model, imported by command, recognises events of its own network, with the published names."""

import itertools

import numpy as np
import pytest
from click.testing import CliRunner

from couloir.catalog.events import numpy_column, read_events
from couloir.catalog.truth import read_truth
from couloir.cli import main
from couloir.runfile import load
from couloir.stages.plan import plan
from couloir.stages.run import open_archive
from couloir.stages.settings import output_of
from couloir.store.location import Location

NAMES = "0=earthquake,5=earthquake,3=rockfall,2=engineering,1=vehicle,4=vehicle"
ROCKFALL, EARTHQUAKE = {3}, {0, 5}
RUN_FILE = """
archive: {{url: {archive}, start: 2020-03-28, end: 2020-03-29}}
output: {{url: {output}}}
compute: {{kind: threads, workers: 2}}
"""


def couloir(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def run_file(shared_data, tmp_path_factory):
    """A run of the 80 minutes with the published model: imported, detected, assigned."""
    luhu, weights = shared_data("luhu-088"), shared_data("luhu-model") / "dcec_model_final.h5"
    folder = tmp_path_factory.mktemp("published")
    file = folder / "run.yaml"
    file.write_text(RUN_FILE.format(archive=luhu / "sds", output=folder / "out"))
    couloir("model", "import", weights, file, "--names", NAMES)
    couloir("detect", file)
    couloir("assign", file)
    return file


@pytest.fixture(scope="module")
def table(run_file):
    return read_events(output_of(load(run_file)) / "catalog")


@pytest.fixture(scope="module")
def labels(table, shared_data):
    """The pseudo-label that each window's trigger meets, give or take a second; "" where there is none."""
    onset, end = (numpy_column(table, name) for name in ("onset_time", "end_time"))
    station = np.array(table["station"].to_pylist())
    found = np.full(len(table), "", object)
    for interval in read_truth(Location(str(shared_data("luhu-088") / "pseudo_labels.csv"))):
        meets = (station == interval.station) & (onset < interval.end + 1e9) & (end > interval.start - 1e9)
        found[meets] = interval.name
    return found


def test_rockfalls_and_earthquakes_fall_into_their_published_clusters(table, labels):
    cluster = numpy_column(table, "cluster")
    rockfalls, earthquakes = (labels == name for name in ("rockfall", "earthquake"))
    right = [
        np.isin(cluster[mine], list(wanted)).mean()
        for mine, wanted in ((rockfalls, ROCKFALL), (earthquakes, EARTHQUAKE))
    ]
    print(f"rockfall {right[0]:.3f} of {rockfalls.sum()}, earthquake {right[1]:.3f} of {earthquakes.sum()}")
    assert right[0] >= 0.8
    assert right[1] >= 0.65
    assert min(rockfalls.sum(), earthquakes.sum()) >= 20


def test_the_clusters_published_names_are_the_catalogs_classes(table, run_file):
    names = dict(pair.split("=") for pair in NAMES.split(","))
    pairs = set(zip(table["cluster"].to_pylist(), table["class"].to_pylist(), strict=True))
    assert pairs <= {(int(cluster), name) for cluster, name in names.items()}
    assert (3, "rockfall") in pairs
    page = (output_of(load(run_file)) / "report" / "index.html").read_text()
    assert 'data-label="Class">rockfall' in page


def test_so_few_events_cannot_calibrate_novelty_and_the_report_says_so(table, run_file):
    assert not numpy_column(table, "rejected").any()
    page = (output_of(load(run_file)) / "report" / "index.html").read_text()
    assert "none can be: no windows are held out" in page


def test_verify_agrees_with_what_assign_wrote_and_show_says_what_the_model_is(run_file):
    assert "all as they were written" in couloir("verify", run_file)
    text = couloir("model", "show", run_file)
    for told in ("imported from dcec_model_final.h5", "3 rockfall", "boxcox", "E, N, Z", "ba8fff1646a8585a"):
        assert told in text


def test_a_run_keeps_the_imported_model(run_file):
    before = (output_of(load(run_file)) / "model" / "complete.json").read_bytes()
    assert "train: the model is imported" in couloir("train", run_file)
    assert (output_of(load(run_file)) / "model" / "complete.json").read_bytes() == before


def test_components_in_the_order_e_n_z_are_reconstructed_best(run_file):
    from couloir.dec.assign import assign, load_model

    config = load(run_file)
    archive = open_archive(config, plan(config))
    whole = np.isfinite(archive.waveforms(np.arange(len(archive)))).any(axis=2).all(axis=1)
    spectrograms = archive.load()[whole]
    model = load_model(output_of(config).local_path / "model" / "dec.keras")
    errors = {}
    for order in itertools.permutations(range(3)):
        error = assign(model, spectrograms[..., list(order)]).reconstruction_error
        errors["".join("ENZ"[position] for position in order)] = float(error.mean())
    print(f"{len(spectrograms)} windows:", {name: round(error, 4) for name, error in errors.items()})
    assert errors["ENZ"] < 0.35
    assert errors["ENZ"] == min(errors.values())
