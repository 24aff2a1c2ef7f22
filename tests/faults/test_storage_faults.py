"""A bucket that is away, busy, slow, full or closed: a run waits within limits, then says what it missed."""

import subprocess
import time
from pathlib import Path

import pytest
import s3server
import yaml
from click.testing import CliRunner

from couloir.cli import main
from couloir.errors import EXIT_AGAIN
from couloir.store.location import Location
from couloir.store.manifest import read_index
from couloir.store.outcomes import read_outcomes

from .conftest import DAYS, STATIONS, assert_same, assert_same_archive, complete, digest, finish, start, workers_of

STATION_DAYS = DAYS * len(STATIONS)


@pytest.fixture
def in_bucket(archive, s3, bucket, run_file):
    """Copy the archive to a bucket by the AWS command line, and write run files that use it."""
    s3.aws("s3", "cp", "--recursive", "--only-show-errors", str(archive), f"s3://{bucket}/sds")

    def write(endpoint, *, patience_s=60, **sections):
        place = {"storage_options": {"endpoint_url": endpoint}, "patience_s": patience_s}
        archive = {"url": f"s3://{bucket}/sds", **place, **sections.pop("archive", {})}
        return run_file(archive=archive, output={"url": f"s3://{bucket}/out", **place}, **sections)

    write.bucket = bucket
    return write


def fetch(s3, bucket, folder):
    """Bring the output home by the AWS command line."""
    s3.aws("s3", "cp", "--recursive", "--only-show-errors", f"s3://{bucket}/out", str(folder))
    return folder


def outcomes_in(run_file):
    config = yaml.safe_load(Path(run_file).read_text())
    place = config["output"]
    output = Location(place["url"], place.get("storage_options", {}))
    return read_outcomes(output, sorted(read_index(output)))


def until(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None and not condition():
        time.sleep(0.05)


def test_a_server_that_is_stopped_for_thirty_seconds_costs_nothing_but_time(in_bucket, s3, quiet, tmp_path):
    path = in_bucket(s3.endpoint, patience_s=120)
    process = start("detect", path)
    until(lambda: workers_of(process), process)
    time.sleep(1)
    s3.kill()
    time.sleep(30)
    s3.start()
    code, told = finish(process, timeout=300)
    assert code == 0, told
    assert_same_archive(fetch(s3, in_bucket.bucket, tmp_path / "fetched"), quiet)


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("busy", {"code": "ServiceUnavailable", "share": 0.2, "seed": 1}),
        ("busy", {"code": "SlowDown", "share": 0.2, "seed": 2}),
        ("cut", {"share": 0.1, "seed": 3}),
        ("torn", {"share": 0.1, "seed": 4}),
    ],
)
def test_a_server_with_hiccups_changes_no_byte(in_bucket, s3, proxy, quiet, tmp_path, kind, details):
    proxy.fail(kind, **details)
    told = complete("detect", in_bucket(proxy.endpoint))
    assert f"{STATION_DAYS} ok" in told
    assert_same_archive(fetch(s3, in_bucket.bucket, tmp_path / "fetched"), quiet)


def test_a_server_that_takes_a_second_for_every_answer_is_waited_for(in_bucket, s3, proxy):
    path = in_bucket(proxy.endpoint, archive={"end": "2024-01-31", "select": "XX.AAA.*.*"})
    proxy.fail("slow", seconds=1.0)
    told = complete("detect", path)
    assert "1 station-day: 1 ok" in told
    assert proxy.count() > 50
    assert any(key.endswith("2024-01/zarr.json") for key in s3.keys(in_bucket.bucket, "out/spectrograms.zarr"))


@pytest.mark.parametrize("kind", ["busy", "silent"])
def test_objects_that_stay_away_are_named_in_outcomes_and_made_by_the_next_run(
    in_bucket, s3, proxy, quiet, tmp_path, kind
):
    path = in_bucket(proxy.endpoint, patience_s=3)
    proxy.fail(kind, path="sds/2024/XX/BBB/HHZ.D/XX.BBB..HHZ.D.2024.031")
    code, told = finish(start("detect", path))
    assert code == 3, told
    failed = [outcome for outcome in outcomes_in(path) if outcome.status == "failed"]
    assert failed
    assert all("XX.BBB..HHZ.D.2024.031" in outcome.reason for outcome in failed)
    assert all(outcome.station_day.band.station == "BBB" for outcome in failed)
    proxy.mend()
    complete("detect", path)
    assert_same_archive(fetch(s3, in_bucket.bucket, tmp_path / "fetched"), quiet)


def test_an_output_that_goes_away_for_good_ends_the_run_with_one_sentence(in_bucket, s3, proxy):
    path = in_bucket(proxy.endpoint, patience_s=3)
    process = start("detect", path)
    until(lambda: any("/checksums/" in key for key in s3.keys(in_bucket.bucket, "out/checksums")), process)
    proxy.fail("busy", path="/out/")
    code, told = finish(process, timeout=240)
    proxy.mend()
    assert code == 1, told
    assert "couloir: cannot" in told
    assert "Traceback" not in told
    complete("detect", path)


def invoke(command, path, **environment):
    result = CliRunner(env=environment).invoke(main, [command, str(path)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_bucket_that_is_not_there_is_one_sentence_before_any_work(s3, run_file):
    options = {"storage_options": s3.options()}
    path = run_file(output={"url": "s3://not-there-at-all/out", **options})
    result = invoke("detect", path)
    assert result.exit_code == 1
    assert "s3://not-there-at-all/out" in result.output
    assert "the bucket does not exist" in result.output
    assert "detect " not in result.output
    result = invoke("plan", run_file(archive={"url": "s3://not-there-at-all/sds", **options}))
    assert result.exit_code == 1
    assert "the bucket does not exist" in result.output


def test_an_output_that_may_only_be_read_is_one_sentence_before_any_work(s3, run_file, monkeypatch):
    for name, value in s3server.READ_ONLY_KEYS.items():
        monkeypatch.setenv(name, value)
    path = run_file(output={"url": f"s3://{s3server.READ_ONLY_BUCKET}/out", "storage_options": s3.options()})
    result = invoke("detect", path)
    assert result.exit_code == 1
    assert "access denied" in result.output
    assert "cannot write" in result.output


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 400 kB, read-only when asked; needs to be root on Linux."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here: needs root and mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_disk_that_fills_up_ends_the_run_at_once_and_nothing_half_written_looks_complete(
    run_file, small_disk, quiet
):
    path = run_file(output={"url": str(small_disk / "out")})
    code, told = finish(start("detect", path))
    assert code == 1, told
    assert "no space left" in told
    assert "Traceback" not in told
    whole = digest(quiet / "spectrograms.zarr")
    for mark in small_disk.glob("out/spectrograms.zarr/*/*/zarr.json"):
        block = mark.parent
        for name, theirs in whole.items():
            if name.startswith(f"{block.parent.name}/{block.name}/"):
                assert digest(block)[name.split("/", 2)[2]] == theirs
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    complete("detect", path)
    assert_same(small_disk / "out", quiet, "spectrograms.zarr")


def test_a_read_only_disk_is_one_sentence_before_any_work(run_file, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = invoke("run", run_file(output={"url": str(small_disk / "out")}))
    assert result.exit_code == 1
    assert "read-only" in result.output
    assert str(small_disk) in result.output


def test_two_runs_on_one_output_the_second_refuses_and_the_first_is_not_disturbed(run_file, quiet, tmp_path):
    path = run_file()
    first = start("detect", path)
    until(lambda: list((tmp_path / "output").glob("hold/*.json")), first)
    result = invoke("detect", path)
    assert result.exit_code == EXIT_AGAIN
    assert "is held by" in result.output
    assert f"process {first.pid}" in result.output
    code, told = finish(first)
    assert code == 0, told
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr")
