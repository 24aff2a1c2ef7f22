"""Keys that a run uses are nowhere in what it writes, prints, sends to workers or says of a mistake."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
import s3server
import yaml
from click.testing import CliRunner

from couloir.cli import main
from couloir.compute import open_pool
from couloir.runfile import load
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.synth import SynthSpec, write_archive

SHORT = {
    "COULOIR_PRESET": "small",
    "COULOIR_TRAIN__EPOCHS": "2",
    "COULOIR_TRAIN__MAX_ITERATIONS": "20",
    "COULOIR_TRAIN__KMEANS_STARTS": "2",
    "COULOIR_COMPUTE__WORKERS": "2",
}
SECRETS = (*s3server.KEYS.values(), *s3server.READ_ONLY_KEYS.values())
START = dt.date(2024, 3, 4)
BUCKET = "couloir-leaks"
LOUD = {"S3FS_LOGGING_LEVEL": "DEBUG", "PYTHONWARNINGS": "always", "DASK_LOGGING__DISTRIBUTED": "debug"}


def assert_no_secret(data, where):
    data = data.encode() if isinstance(data, str) else data
    for secret in SECRETS:
        assert secret.encode() not in data, f"{secret} is in {where}"


def run_file_of(folder, server, *, output=f"s3://{BUCKET}/output", options=None, **output_more):
    tree = {
        "archive": {"url": f"s3://{BUCKET}/archive", "start": START, "end": START + dt.timedelta(days=1)},
        "output": {"url": output, "storage_options": server.options(), **output_more},
        "catalog": {"quakeml": True},
    }
    tree["archive"]["storage_options"] = options or server.options()
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture(scope="module")
def whole(s3_server, tmp_path_factory):
    """Run the whole job with the keys in the environment, as loudly as libraries can be made to be."""
    folder = tmp_path_factory.mktemp("leaks")
    s3_server.make_bucket(BUCKET)
    write_archive(str(folder / "sds"), SynthSpec(start=START, days=1, stations=1, activity=0.5))
    s3_server.aws("s3", "sync", str(folder / "sds"), f"s3://{BUCKET}/archive", "--only-show-errors")
    run_file = run_file_of(folder, s3_server)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    result = subprocess.run(
        [Path(sys.executable).parent / "couloir", "run", run_file],
        env=environment | SHORT | s3server.KEYS | LOUD,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    s3_server.aws("s3", "sync", f"s3://{BUCKET}/output", str(folder / "output"), "--only-show-errors")
    return folder, result


def test_the_output_holds_no_credentials(whole):
    folder, _ = whole
    seen = set()
    for path in (folder / "output").rglob("*"):
        if path.is_file():
            seen.add(path.relative_to(folder / "output").parts[0])
            assert_no_secret(path.read_bytes(), path)
    assert {"run.yaml", "outcomes", "spectrograms.zarr", "model", "catalog", "report"} <= seen
    assert (folder / "output" / "catalog" / "catalog.xml").exists()


def test_nothing_printed_holds_credentials_however_loud(whole):
    _, result = whole
    assert "CALL: put_object" in result.stderr
    assert_no_secret(result.stdout, "what was printed")
    assert_no_secret(result.stderr, "what was logged")


def test_no_task_holds_credentials(whole, s3, tmp_path):
    sent = []

    class Spy:
        """A pool that keeps what would go to workers and come back."""

        def __init__(self, pool):
            self.pool = pool

        def __getattr__(self, name):
            return getattr(self.pool, name)

        def submit(self, function, *arguments):
            sent.append(cloudpickle.dumps((function, arguments[0])))
            return self.pool.submit(function, *arguments)

        def submit_each(self, function, arguments):
            sent.extend(cloudpickle.dumps((function, argument)) for argument in arguments)
            return self.pool.submit_each(function, arguments)

        def result(self, handle):
            sent.append(cloudpickle.dumps(self.pool.result(handle)))
            return self.pool.result(handle)

    run_file = run_file_of(tmp_path, s3, output=f"s3://{BUCKET}/tasks")
    config = load(run_file, environment=SHORT | {"COULOIR_COMPUTE__KIND": "serial"})
    made = plan(config)
    with open_pool(config.compute) as pool:
        outcomes = detect(config, made.inventory, Spy(pool), progress=lambda _: None)
    assert [outcome.status for outcome in outcomes] == ["ok"]
    assert len(sent) >= 3
    assert any(s3.endpoint.encode() in one for one in sent)
    for one in (*sent, cloudpickle.dumps(made), cloudpickle.dumps(config)):
        assert_no_secret(one, "a task")


class TestMistakes:
    def output_of(self, run_file, **environment):
        result = CliRunner(env=SHORT | {"COULOIR_COMPUTE__KIND": "serial"} | environment).invoke(
            main, ["detect", str(run_file)]
        )
        assert result.exit_code == 1
        told = result.output + repr(result.exception)
        assert_no_secret(told, "the message")
        return told

    @pytest.mark.parametrize("place", ["archive", "output"])
    @pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    def test_wrong_keys(self, whole, s3, tmp_path, monkeypatch, place, name):
        if place == "output":
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
            (tmp_path / "config").write_text("")
        wrong = "wr0ngwr0ngwr0ng"
        url, options = f"s3://{BUCKET}/other", None
        if place == "output":  # the archive is read by a profile with the right keys
            lines = ["[right]", *(f"{key.lower()} = {value}" for key, value in s3server.KEYS.items())]
            (tmp_path / "credentials").write_text("\n".join(lines))
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
            options = s3.options(profile="right")
        monkeypatch.setenv(name, wrong)
        told = self.output_of(run_file_of(tmp_path, s3, output=url, options=options))
        assert wrong not in told
        if place == "output":
            assert "denied" in told or "refused" in told

    def test_a_bucket_that_is_denied(self, whole, s3, tmp_path, monkeypatch):
        for name, value in s3server.READ_ONLY_KEYS.items():
            monkeypatch.setenv(name, value)
        self.output_of(run_file_of(tmp_path, s3))

    def test_a_server_that_is_away(self, whole, s3, tmp_path):
        away = {"endpoint_url": f"http://127.0.0.1:{s3server.free_ports(1)[0]}"}
        run_file = run_file_of(tmp_path, s3, output=f"s3://{BUCKET}/x", storage_options=away, patience_s=5)
        assert "cannot be reached" in self.output_of(run_file)

    @pytest.mark.parametrize(
        "url",
        [
            f"s3://{s3server.KEYS['AWS_ACCESS_KEY_ID']}:{s3server.KEYS['AWS_SECRET_ACCESS_KEY']}@bucket/x",
            f"https://h/x?X-Amz-Credential={s3server.KEYS['AWS_ACCESS_KEY_ID']}&X-Amz-Signature=x",
        ],
    )
    def test_a_url_that_holds_them(self, s3, tmp_path, url):
        assert "archive.url" in self.output_of(run_file_of(tmp_path, s3), COULOIR_ARCHIVE__URL=url)

    def test_an_option_that_holds_them(self, s3, tmp_path):
        secret = s3server.KEYS["AWS_SECRET_ACCESS_KEY"]
        run_file = run_file_of(tmp_path, s3)
        for key, value in (("secret", secret), ("endpoint_url", f"http://me:{secret}@host")):
            result = CliRunner().invoke(
                main, ["plan", str(run_file), "--set", f"archive.storage_options.{key}={value}"]
            )
            assert result.exit_code == 1
            assert_no_secret(result.output, "the message")
