"""A bucket holds what a disk would, byte for byte, in the number of objects that the layout says."""

import csv
import datetime as dt
import json
import math
from pathlib import Path

import pytest
import s3server
import xarray
import yaml
from click.testing import CliRunner

from couloir.cli import main
from couloir.runfile import load
from couloir.stages.plan import plan
from couloir.store import blocks
from couloir.store.events import COLUMNS
from couloir.synth import SynthSpec, write_archive

pytestmark = pytest.mark.filterwarnings("ignore::couloir.errors.CouloirWarning")  # too short a training
SHORT = {
    "COULOIR_PRESET": "small",
    "COULOIR_TRAIN__EPOCHS": "2",
    "COULOIR_TRAIN__MAX_ITERATIONS": "40",
    "COULOIR_TRAIN__KMEANS_STARTS": "2",
    "COULOIR_COMPUTE__KIND": "serial",
}
START = dt.date(2024, 1, 31)
"""Two days of two months: two blocks."""
AXES = 3


def objects_of_block(events: int, *, shard: int, empty_columns: int = 0) -> int:
    """Count the objects of a block: metadata of the group and of each array, axes, columns, shards.

    A column that holds zeros only has no chunk.
    """
    columns = 2 * (AXES + len(COLUMNS)) - empty_columns
    return 1 + columns + 2 * (1 + math.ceil(events / shard))


def run(command, run_file, **environment):
    result = CliRunner(env=SHORT | environment).invoke(main, [command, str(run_file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def write_run_file(path, archive, output, archive_options=None, output_options=None):
    tree = {
        "archive": {"url": archive, "start": START, "end": START + dt.timedelta(days=2)},
        "output": {"url": output},
    }
    for name, options in (("archive", archive_options), ("output", output_options)):
        if options:
            tree[name]["storage_options"] = options
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture(scope="module")
def sds(tmp_path_factory):
    """Write a small archive to disk."""
    folder = tmp_path_factory.mktemp("sds")
    write_archive(str(folder), SynthSpec(start=START, days=2, stations=1, activity=0.5))
    return folder


@pytest.fixture(scope="module")
def both(sds, s3_server, tmp_path_factory):
    """Run the same on a disk and in a bucket, into which another client has put the archive."""
    folder = tmp_path_factory.mktemp("both")
    bucket = "couloir-both"
    s3_server.make_bucket(bucket)
    s3_server.aws("s3", "sync", str(sds), f"s3://{bucket}/archive", "--only-show-errors")
    on_disk = write_run_file(folder / "disk.yaml", str(sds), str(folder / "disk"))
    options = s3_server.options()
    on_s3 = write_run_file(folder / "s3.yaml", f"s3://{bucket}/archive", f"s3://{bucket}/output", options, options)
    for run_file, environment in ((on_disk, {}), (on_s3, s3server.KEYS)):
        for command in ("detect", "train", "catalog", "report"):
            run(command, run_file, **environment)
    s3_server.aws("s3", "sync", f"s3://{bucket}/output", str(folder / "s3"), "--only-show-errors")
    return folder, bucket


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_inputs(name, data):
    """Leave out of a block's mark which objects it was made from: each storage names versions in its own way."""
    document = json.loads(data)
    if blocks.MARK in document.get("attributes", {}):
        del document["attributes"][blocks.MARK]["inputs"]
    return document


def test_the_spectrogram_archive_is_the_same_byte_for_byte(both):
    folder, _ = both
    disk, s3 = (files(folder / place / blocks.ARCHIVE) for place in ("disk", "s3"))
    assert disk.keys() == s3.keys()
    assert sum(name.endswith("spectrogram/c/0/0/0/0") for name in disk) == 2
    for name, data in disk.items():
        if name.endswith("zarr.json"):
            assert without_inputs(name, data) == without_inputs(name, s3[name]), name
        else:
            assert data == s3[name], name


def test_the_catalog_is_the_same_byte_for_byte(both):
    folder, _ = both
    disk, s3 = (files(folder / place / "catalog") for place in ("disk", "s3"))
    assert {"events.csv", "clusters.csv", "latent.parquet", "events/XX/CL01/2024.parquet"} <= disk.keys()
    assert disk.keys() == s3.keys()
    for name in disk.keys() - {"complete.json"}:
        assert disk[name] == s3[name], name


def test_both_places_hold_the_same_names(both):
    folder, _ = both
    assert files(folder / "disk").keys() == files(folder / "s3").keys()
    assert (folder / "s3" / "report" / "index.html").stat().st_size > 100_000


def test_the_bucket_holds_as_many_objects_as_the_layout_says(both, s3_server):
    folder, bucket = both
    keys = s3_server.keys(bucket, "output/spectrograms.zarr/")
    expected = 2  # the root's and the station's group
    for month in ("2024-01", "2024-02"):
        group = xarray.open_zarr(folder / "s3" / blocks.ARCHIVE / "XX.CL01.00.EH" / month, consolidated=False)
        zeros = sum(not group[name].values.any() for name in group.data_vars if group[name].ndim == 1)
        expected += objects_of_block(group.sizes["event"], shard=blocks.SHARD, empty_columns=zeros)
    assert len(keys) == expected
    for folder_of_blocks in ("outcomes", "checksums"):
        assert len(s3_server.keys(bucket, f"output/{folder_of_blocks}/")) == 2


def test_a_station_year_is_under_500_objects_of_which_24_hold_nearly_all(both, s3_server):
    """Twelve blocks of up to a shard of events each, with their outcomes and checksums."""
    _, bucket = both
    whole = 1 + 12 * (objects_of_block(blocks.SHARD, shard=blocks.SHARD) + 2)
    assert whole == 469
    sizes = sorted(s3_server.keys(bucket, "output/spectrograms.zarr/").values(), reverse=True)
    assert sum(sizes[: 2 * 2]) > 0.99 * sum(sizes)


def test_a_block_of_many_shards_has_two_objects_more_for_each(sds, s3, bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "SHARD", 24)
    monkeypatch.setattr(blocks, "CHUNK", 8)
    run_file = write_run_file(tmp_path / "run.yaml", str(sds), f"s3://{bucket}/output", None, s3.options())
    run("detect", run_file)
    keys = s3.keys(bucket, "output/spectrograms.zarr/XX.CL01.00.EH/2024-01/")
    shards = [key for key in keys if "/spectrogram/c/" in key]
    windows = [key for key in keys if "/waveform/c/" in key]
    assert len(shards) == len(windows) > 2
    s3.aws("s3", "sync", f"s3://{bucket}/output", str(tmp_path / "out"), "--only-show-errors")
    group = xarray.open_zarr(tmp_path / "out" / blocks.ARCHIVE / "XX.CL01.00.EH" / "2024-01", consolidated=False)
    zeros = sum(not group[name].values.any() for name in group.data_vars if group[name].ndim == 1)
    assert len(shards) == math.ceil(group.sizes["event"] / 24)
    assert len(keys) == objects_of_block(group.sizes["event"], shard=24, empty_columns=zeros)


def test_another_run_writes_nothing_but_its_settings(both, s3_server):
    folder, bucket = both
    before = stamps(s3_server, bucket)
    for command in ("detect", "train", "catalog", "report"):
        run(command, folder / "s3.yaml", **s3server.KEYS)
    after = stamps(s3_server, bucket)
    assert {key for key in before if before[key] != after.get(key)} <= {"output/run.yaml"}
    assert after.keys() == before.keys()
    assert len(before) > 80


def stamps(server, bucket):
    told = server.aws("s3api", "list-objects-v2", "--bucket", bucket, "--output", "json")
    items = json.loads(told.stdout)["Contents"]
    return {
        item["Key"]: (item["ETag"], item["LastModified"])
        for item in items
        if not item["Key"].startswith(("output/hold/", "output/progress/"))  # signs of life
    }


def test_no_upload_is_left_half_done(both, s3_server):
    _, bucket = both
    told = s3_server.aws("s3api", "list-multipart-uploads", "--bucket", bucket, "--output", "json")
    assert not json.loads(told.stdout or "{}").get("Uploads")


def detected(run_file):
    run("detect", run_file)
    return plan(load(run_file, environment=SHORT)).station_days


def test_a_public_archive_is_read_without_keys(sds, s3, bucket, tmp_path):
    s3.aws("s3", "sync", str(sds), f"s3://{s3server.PUBLIC_BUCKET}/sds", "--only-show-errors")
    run_file = write_run_file(
        tmp_path / "run.yaml",
        f"s3://{s3server.PUBLIC_BUCKET}/sds",
        f"s3://{bucket}/output",
        s3.options(anon=True),
        s3.options(),
    )
    assert detected(run_file) == 2
    assert s3.keys(bucket, "output/outcomes/")


def test_archive_and_output_may_have_keys_of_their_own(sds, s3, bucket, tmp_path, monkeypatch):
    lines = []
    for name, keys in (("writer", s3server.KEYS), ("reader", s3server.READ_ONLY_KEYS)):
        lines += [f"[{name}]", *(f"{key.lower()} = {value}" for key, value in keys.items())]
        for key in keys:
            monkeypatch.delenv(key, raising=False)
    (tmp_path / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    s3.aws("s3", "sync", str(sds), f"s3://{s3server.READ_ONLY_BUCKET}/sds", "--only-show-errors")
    places = f"s3://{s3server.READ_ONLY_BUCKET}/sds", f"s3://{bucket}/output"
    reader, writer = s3.options(profile="reader"), s3.options(profile="writer")
    assert detected(write_run_file(tmp_path / "run.yaml", *places, reader, writer)) == 2
    assert s3.keys(bucket, "output/outcomes/")
    wrong = write_run_file(tmp_path / "wrong.yaml", *places, reader, reader)
    result = CliRunner(env=SHORT).invoke(main, ["detect", str(wrong)])
    assert result.exit_code == 1
    assert "access denied" in result.output


def test_events_are_those_of_the_disk(both):
    folder, _ = both
    rows = list(csv.DictReader((folder / "s3" / "catalog" / "events.csv").open()))
    assert len(rows) > 50
    assert {row["station"] for row in rows} == {"CL01"}
