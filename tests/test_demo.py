"""The demo in a small form: one station, a short training, everything else as a user sees it."""

import json

import pytest
from click.testing import CliRunner

from couloir.cli import main
from couloir.runfile import load
from couloir.stages.demo import prepare_demo
from couloir.stages.plan import plan
from couloir.store.location import Location

pytestmark = pytest.mark.filterwarnings("ignore::couloir.errors.CouloirWarning")  # too short a training
SHORT = {
    "COULOIR_TRAIN__EPOCHS": "2",
    "COULOIR_TRAIN__MAX_ITERATIONS": "40",
    "COULOIR_TRAIN__KMEANS_STARTS": "2",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    arguments = ["demo", str(folder), "--stations", "1", "--workers", "2"]
    result = CliRunner(env=SHORT).invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_it_goes_to_a_url_as_well_and_the_run_file_stays_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_file = prepare_demo("memory://demo/x/", days=1, stations=1, workers=1, progress=lambda *_: None)
    config = load(run_file, environment={})
    assert [path.name for path in tmp_path.iterdir()] == ["demo.yaml"]
    assert (config.archive.url, config.output.url) == ("memory://demo/x/archive", "memory://demo/x/output")
    assert Location(config.catalog.truth).read_text().startswith("network,station")
    assert plan(config).station_days == 1


def test_a_url_with_a_password_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["demo", "s3://key:s3cr3t@bucket/x"])
    assert result.exit_code == 1
    assert "holds a password" in result.output
    assert "s3cr3t" not in result.output
    assert list(tmp_path.iterdir()) == []


def again(folder, *arguments):
    return CliRunner(env=SHORT).invoke(main, [*arguments, str(folder / "run.yaml")], catch_exceptions=False)


def test_it_ends_with_the_table_of_clusters_and_where_things_are(demo):
    folder, text = demo
    for word in ("cluster", "events", "typical hour", "majority class", "purity"):
        assert word in text
    assert f"Report:  {folder}/output/report/index.html" in text.replace("\n", "").replace("Report:", "\nReport:")


def test_detection_finds_nearly_all_visible_events_and_little_else(demo):
    folder, _ = demo
    assessment = json.loads((folder / "output" / "catalog" / "assessment.json").read_text())
    rows = {row["name"]: row for row in assessment["detection"]}
    assert rows["all"]["precision"] > 0.95
    assert rows["all"]["recall"] > 0.85
    for name in ("rockfall", "earthquake", "vehicle", "machinery"):
        assert rows[name]["recall"] > 0.8, name


def test_the_clustering_stands_beside_two_baselines_with_four_scores(demo):
    folder, _ = demo
    methods = json.loads((folder / "output" / "catalog" / "assessment.json").read_text())["methods"]
    assert [row["method"] for row in methods] == ["DEC", "k-means on autoencoder", "k-means on PCA"]
    for row in methods:
        assert {"purity", "nmi", "ari", "hungarian_accuracy"} <= set(row)
        assert row["n"] > 50
    page = (folder / "output" / "report" / "index.html").read_text()
    assert "Against the truth" in page


def test_a_second_run_does_the_work_once(demo):
    folder, _ = demo
    kept = [p for p in (folder / "output").rglob("*") if p.is_file() and p.parent.name not in ("hold", "progress")]
    before = {p: p.stat().st_mtime_ns for p in kept if p.name != "run.yaml"}
    result = again(folder, "run")
    assert result.exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.parametrize("lost", ["report/index.html", "catalog/clusters.csv", "catalog/events.csv"])
def test_what_was_deleted_is_made_again(demo, lost):
    folder, _ = demo
    (folder / "output" / lost).unlink()
    assert again(folder, "run").exit_code == 0
    assert (folder / "output" / lost).exists()


def test_a_catalog_of_another_model_is_not_taken_for_this_ones(demo):
    folder, _ = demo
    mark = folder / "output" / "model" / "complete.json"
    text = mark.read_text()
    mark.write_text(text.replace('"model_id": "', '"model_id": "other'))
    for stage in ("catalog", "report"):
        result = again(folder, stage)
        assert result.exit_code == 1
        assert "Run `couloir" in result.output
    mark.write_text(text)
