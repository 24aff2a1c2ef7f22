"""The commands say what they do, start quickly, and turn a user's mistake into one clear message."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from couloir import __version__
from couloir.cli import main
from couloir.errors import (
    EXIT_AGAIN,
    EXIT_FAILURES,
    ClusterError,
    HeldError,
    LostClusterError,
    TooManyFailuresError,
)

STAGES = ("plan", "detect", "train", "assign", "catalog", "report", "run", "status", "outcomes", "synth", "demo")


def invoke(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


@pytest.mark.parametrize("command", STAGES)
def test_every_command_says_what_it_reads_and_writes(command):
    text = invoke(command, "--help").output
    assert "Reads" in text
    assert "Writes" in text


@pytest.mark.parametrize("command", ["import", "show"])
def test_the_commands_for_models_say_what_they_read_and_write(command):
    text = invoke("model", command, "--help").output
    assert "Reads" in text
    assert "Writes" in text


def test_help_starts_without_the_heavy_libraries():
    heavy = ("numpy", "scipy", "obspy", "dask", "zarr", "pydantic", "matplotlib", "keras", "tensorflow", "rich")
    code = (
        "import sys; from couloir.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["plan", "detect"])
def test_commands_before_training_never_load_a_training_library(command, tmp_path):
    code = (
        "import sys; from couloir.cli import main\n"
        f"try: main([{command!r}, {str(tmp_path / 'run.yaml')!r}])\n"
        "except SystemExit: pass\n"
        "import couloir.stages.detect, couloir.stages.plan\n"
        "print(sorted({'keras', 'tensorflow', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    (tmp_path / "run.yaml").write_text(
        f"archive: {{url: {tmp_path}, start: 2020-01-01, end: 2020-01-02}}\noutput: {{url: {tmp_path}/out}}\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_version_is_the_packages():
    assert __version__ in invoke("--version").output


def test_init_writes_a_run_file_that_loads(tmp_path):
    from couloir.runfile import load

    result = invoke("init", "--archive", "a", "--select", "GG.*.10.EH?", "--start", "2020-03-01")
    (tmp_path / "run.yaml").write_text(result.output)
    config = load(tmp_path / "run.yaml", environment={})
    assert (config.archive.url, config.archive.select) == ("a", ("GG.*.10.EH?",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "couloir init"),
        ("archive: [", "not valid YAML"),
        ("detect: {on_facto: 3}", "did you mean 'on_factor'"),
        (
            "archive: {url: /nowhere/at/all, start: 2020-01-01, end: 2020-01-02}\noutput: {url: out}",
            "does not exist",
        ),
    ],
)
def test_a_users_mistake_is_one_clear_message_and_exit_code_1(tmp_path, text, told):
    run_file = tmp_path / "run.yaml"
    if text is not None:
        run_file.write_text(text)
    result = invoke("plan", run_file)
    assert result.exit_code == 1
    assert told in result.output
    assert "Traceback" not in result.output


def test_stages_out_of_order_name_the_one_to_run_first(tmp_path):
    archive = tmp_path / "2020" / "XX" / "AAA" / "HHZ.D" / "XX.AAA.00.HHZ.D.2020.001"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"never read here")
    run_file = tmp_path / "run.yaml"
    run_file.write_text(
        f"archive: {{url: {tmp_path}, start: 2020-01-01, end: 2020-01-02}}\noutput: {{url: {tmp_path}/out}}\n"
    )
    for stage in ("train", "catalog", "report"):
        result = invoke(stage, run_file)
        assert result.exit_code == 1
        assert "Run `couloir detect`" in result.output.replace("\n", " ")


def test_failed_station_days_have_an_exit_code_of_their_own(tmp_path):
    archive = tmp_path / "in" / "2020" / "XX" / "AAA" / "HHZ.D" / "XX.AAA.00.HHZ.D.2020.001"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"not a recording")
    run_file = tmp_path / "run.yaml"
    run_file.write_text(
        f"archive: {{url: {tmp_path}/in, start: 2020-01-01, end: 2020-01-02}}\noutput: {{url: {tmp_path}/out}}\n"
    )
    result = invoke("detect", run_file, "--set", "compute.kind=serial")
    assert result.exit_code == EXIT_FAILURES != 1
    assert "1 of 1 station-days failed" in result.output
    assert issubclass(TooManyFailuresError, RuntimeError)


def test_help_shows_each_example_on_its_own_line():
    lines = [line.strip() for line in invoke("--help").output.splitlines()]
    assert any(line.startswith("couloir plan run.yaml ") for line in lines)
    assert "\\b" not in lines


def told_by(*command):
    return " ".join(invoke(*command, "--help").output.split())


def test_help_says_how_a_model_from_elsewhere_is_applied_and_what_becomes_of_it():
    assert "couloir model import FILE run.yaml couloir detect run.yaml couloir assign run.yaml" in told_by()
    assert "An imported model stays: `couloir train --redo` replaces it" in told_by("run")
    assert "train in the place of an imported model" in told_by("train")
    assert "Replace another model" in told_by("model", "import")
    assert "pre-train the autoencoder once" in told_by("train")


def test_init_refuses_what_would_not_load():
    result = invoke("init", "--start", "2024-13-01")
    assert result.exit_code == 1
    assert "archive.start" in result.output


def test_a_misspelt_empty_section_is_an_error(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "archive: {url: x, start: 2020-01-01, end: 2020-01-02}\noutput: {url: y}\ndetct:\n"
    )
    result = invoke("plan", tmp_path / "run.yaml")
    assert result.exit_code == 1
    assert "did you mean 'detect'" in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LostClusterError("the Dask scheduler does not answer"), EXIT_AGAIN),
        (HeldError("held by another run"), EXIT_AGAIN),
        (ClusterError("SLURM refuses the job"), 1),
    ],
)
def test_what_may_go_well_a_little_later_has_an_exit_code_of_its_own(error, code, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise error

    monkeypatch.setattr("couloir.runfile.load", refused)
    result = invoke("detect", tmp_path / "run.yaml")
    assert result.exit_code == code
    assert str(error) in result.output


def test_an_interrupted_command_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("couloir.runfile.load", interrupted)
    result = invoke("plan", tmp_path / "run.yaml")
    assert result.exit_code == 130
    assert "goes on from here" in result.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--refine", "5"], "goes with --select-k"),
        (["--select-k", "9:3", "--seeds", "0"], "--seeds"),
        (["--select-k", "2:3", "--seeds", "2"], "--seeds does not go together with --select-k"),
        (["--select-k", "2:3", "--redo"], "--redo does not go together with --select-k"),
    ],
)
def test_options_of_train_that_do_not_fit_are_refused(options, told, tmp_path):
    (tmp_path / "run.yaml").write_text("archive: {}")
    result = invoke("train", tmp_path / "run.yaml", *options)
    assert result.exit_code == 2
    assert told in result.output
