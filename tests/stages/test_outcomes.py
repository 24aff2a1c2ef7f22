"""What was refused can be listed, with reasons; a run of which nothing came says so, and never succeeds."""

import csv
import io
import json
import os
import subprocess
import sys

import damage
import numpy as np
import pytest
from click.testing import CliRunner

from couloir.archive.layout import Layout
from couloir.cli import main
from couloir.errors import EXIT_FAILURES, ConfigError, MissingStageError, StoreError, TooManyFailuresError
from couloir.identifiers import BandId, ChannelId, StationDay
from couloir.stages.outcomes import archive_path, choose, count_up, recorded_outcomes
from couloir.stages.run import check_failures
from couloir.stages.settings import output_of
from couloir.store.outcomes import Outcome, write_outcomes

from .conftest import FIRST, SECOND, make_config

BAND = BandId("XX", "AAA", "00", "HH")
OK = Outcome(StationDay(BAND, FIRST), "ok", events=3, seconds={"read": 0.25, "detect": 0.5}, read_bytes=7)
FLAT = Outcome(StationDay(BandId("XX", "BBB", "", "HH"), FIRST), "flat", "the MAD is 0")
UNREADABLE = Outcome(
    StationDay(BAND, SECOND),
    "unreadable",
    "/a/b/c is empty; /a/b/d does not decode: it holds HTML",
    remarks=("é",),
)
FAILED = Outcome(StationDay(BandId("XX", "CCC", "00", "HH"), SECOND), "failed", "the worker died")


def kept(tmp_path, *outcomes, **sections):
    """Leave outcomes in a run's output."""
    config = make_config(tmp_path, tmp_path / "out", **sections)
    for block in {outcome.station_day.block for outcome in outcomes}:
        write_outcomes(output_of(config), block, [o for o in outcomes if o.station_day.block == block])
    return config


def run_file(config, tmp_path):
    from couloir.runfile import dump

    path = tmp_path / "run.yaml"
    path.write_text(dump(config))
    return path


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_outcomes_are_found_without_a_look_at_the_archive(tmp_path):
    config = kept(tmp_path, FAILED, OK, FLAT, UNREADABLE, archive={"url": "/nowhere/at/all"})
    assert recorded_outcomes(config) == sorted([OK, FLAT, UNREADABLE, FAILED], key=lambda o: o.station_day)


def test_what_a_wider_run_left_is_not_listed(tmp_path):
    config = kept(tmp_path, OK, FLAT, UNREADABLE, FAILED, archive={"end": SECOND, "select": ["XX.*.--.HH?"]})
    assert recorded_outcomes(config) == [FLAT]


def test_failures_come_first_and_what_is_ok_only_when_asked_for():
    everything = [OK, FLAT, UNREADABLE, FAILED]
    assert choose(everything) == [UNREADABLE, FAILED, FLAT]
    assert choose(everything, everything=True) == [UNREADABLE, FAILED, FLAT, OK]
    assert choose(everything, statuses="failed, ok") == [FAILED, OK]
    with pytest.raises(ConfigError, match="'bad' is none of ok, empty"):
        choose(everything, statuses="failed,bad")


def test_an_output_without_outcomes_names_the_command_that_makes_them(tmp_path):
    with pytest.raises(MissingStageError, match="Run `couloir detect` first"):
        recorded_outcomes(kept(tmp_path))
    assert invoke("outcomes", run_file(kept(tmp_path), tmp_path)).exit_code == 1


def test_a_torn_file_of_outcomes_is_named(tmp_path):
    config = kept(tmp_path, OK)
    (tmp_path / "out" / "outcomes" / f"{OK.station_day.block.key}.json").write_text('[{"station": "XX')
    with pytest.raises(StoreError, match=r"XX\.AAA\.00\.HH/2024-01\.json is damaged"):
        recorded_outcomes(config)


def test_the_table_names_each_reason_on_a_line_within_the_width(tmp_path, monkeypatch):
    monkeypatch.setattr("couloir.terminal.out.width", 100)
    folder = tmp_path / "archive"
    inside = "2024/XX/AAA/HHZ.D/XX.AAA.00.HHZ.D.2024.032"
    long = f"{folder}/{inside} is empty; {folder}/x does not decode"
    outcome = Outcome(StationDay(BAND, SECOND), "unreadable", long)
    config = kept(tmp_path, outcome, OK, FLAT, archive={"url": str(folder)})
    result = invoke("outcomes", run_file(config, tmp_path), "--set", "compute.max_failed_fraction=0.9")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].rstrip().split("  ") == ["unreadable", "XX.AAA.00.HH 2024-02-01", f"{inside} is empty"]
    assert lines[2].strip() == "x does not decode"
    assert lines[-1].startswith("3 station-days: 1 ")
    assert archive_path(config) == f"{folder}/"


def test_csv_and_json_hold_everything_for_machines(tmp_path):
    config = kept(tmp_path, OK, UNREADABLE, compute={"max_failed_fraction": 0.5})
    path = run_file(config, tmp_path)
    rows = json.loads(invoke("outcomes", path, "--format", "json", "--all").stdout)
    assert [row["day"] for row in rows] == [str(SECOND), str(FIRST)]
    assert rows[0]["remarks"] == ["é"]
    assert rows[1]["seconds"] == {"read": 0.25, "detect": 0.5}
    table = list(csv.DictReader(io.StringIO(invoke("outcomes", path, "--format", "csv").stdout)))
    (only,) = table
    assert (only["station"], only["status"], only["reason"]) == ("XX.AAA.00.HH", "unreadable", UNREADABLE.reason)


@pytest.mark.parametrize(("allowed", "code"), [(0.5, 0), (0.1, EXIT_FAILURES)])
def test_the_exit_code_is_that_of_the_run(tmp_path, allowed, code):
    config = kept(tmp_path, OK, FLAT, FAILED, compute={"max_failed_fraction": allowed})
    assert invoke("outcomes", run_file(config, tmp_path), "--status", "ok").exit_code == code


def test_a_run_of_which_everything_failed_is_never_allowed(tmp_path):
    config = kept(tmp_path, compute={"max_failed_fraction": 1.0})
    with pytest.raises(TooManyFailuresError, match="2 of 2 station-days failed; nothing came of the run"):
        check_failures(config, [UNREADABLE, FAILED])
    check_failures(config, [UNREADABLE, FAILED, FLAT])
    check_failures(config, [FLAT])


def test_days_without_any_event_are_said_to_leave_nothing_to_train_on():
    assert "nothing to train on: see `couloir outcomes`" in count_up([FLAT, UNREADABLE])
    assert "nothing to train on: all of them are quiet" in count_up([Outcome(OK.station_day, "ok")])
    assert count_up([OK, FLAT]) == "2 station-days: 1 ok, 1 flat; 3 events"


def settings_of(tmp_path, **compute):
    text = {
        "archive": {"url": str(tmp_path / "in"), "start": str(damage.DAY), "end": "2024-03-07"},
        "output": {"url": str(tmp_path / "out")},
        "detect": {"sampling_rate": damage.RATE, "band": [0.5, 2.0], "min_valid_s": 60},
        "spectrogram": {"frequencies": 16, "times": 16, "segment_s": 4.0},
        "compute": compute,
    }
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(text))
    return path


def put(tmp_path, station, data):
    path = tmp_path / "in" / Layout.named("sds").path(ChannelId("XX", station, "00", "HHZ"), damage.DAY)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("command", ["detect", "run"])
def test_detection_that_failed_everywhere_exits_3_whatever_is_allowed(tmp_path, command):
    put(tmp_path, "AAA", damage.HTML)
    put(tmp_path, "BBB", b"")
    result = invoke(command, settings_of(tmp_path, kind="serial", max_failed_fraction=1.0))
    assert result.exit_code == EXIT_FAILURES
    assert "2 of 2 station-days failed; nothing came of the run" in result.output


@pytest.mark.parametrize(("command", "code"), [("detect", 0), ("run", 1)])
def test_days_that_are_all_flat_fail_no_detection_and_say_what_that_means(tmp_path, command, code):
    put(tmp_path, "AAA", damage._written(damage._trace(np.zeros(3_000, np.int32)), "MSEED", reclen=512))
    result = invoke(command, settings_of(tmp_path, kind="serial"))
    assert result.exit_code == code
    assert "nothing to train on" in result.output.replace("\n", " ")


def test_a_run_over_damaged_files_on_real_workers_ends_in_order(tmp_path):
    files = 100
    for item in damage.corpus(damage.sound_sources(), files, seed=3):
        station = f"A{item.number:02d}"
        put(tmp_path, station, item.data.replace(b"AAA", station.encode()))
    path = settings_of(tmp_path, workers=2)
    couloir = [sys.executable, "-m", "couloir.cli"]
    result = subprocess.run([*couloir, "detect", path], capture_output=True, text=True, timeout=200)
    assert result.returncode == EXIT_FAILURES, result.stderr
    assert f"of {files} station-days failed" in result.stderr
    listed = subprocess.run(
        [*couloir, "outcomes", path, "--all", "--format", "json"], capture_output=True, text=True, env=os.environ
    )
    assert listed.returncode == EXIT_FAILURES
    rows = json.loads(listed.stdout)
    assert len(rows) == files
    statuses = {row["status"] for row in rows}
    assert {"ok", "unreadable"} <= statuses
    assert "failed" not in statuses
    assert all(row["reason"] for row in rows if row["status"] != "ok")
    enough = subprocess.run(
        [*couloir, "detect", path, "--set", "compute.max_failed_fraction=0.95"], capture_output=True, text=True
    )
    assert enough.returncode == 0, enough.stderr
