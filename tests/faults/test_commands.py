"""What a user sees of other settings, of verification and of what was refused."""

import yaml
from click.testing import CliRunner

from couloir.cli import main

from .conftest import assert_same, complete


def invoke(command, path, *options):
    result = CliRunner().invoke(main, [command, str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_other_settings_are_refused_then_made_again_and_never_mixed(run_file, quiet, tmp_path):
    path = run_file()
    complete("detect", path)
    told = invoke("detect", path, "--set", "detect.on_factor=30")
    assert told.exit_code == 1
    assert "detect: 6 of 6 blocks" in told.output
    assert "detect.on_factor 12.0 -> 30.0" in told.output
    assert yaml.safe_load((tmp_path / "output" / "run.yaml").read_text())["detect"]["on_factor"] == 12.0
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr")
    complete("detect", path, "--set", "detect.on_factor=30", "--redo")
    told = invoke("train", path)
    assert told.exit_code == 1
    assert "detect: 6 of 6 blocks" in told.output
    assert "detect.on_factor 30.0 -> 12.0" in told.output
    complete("detect", path, "--redo")
    assert_same(tmp_path / "output", quiet, "spectrograms.zarr")


def test_verify_says_what_is_damaged_and_what_to_do(run_file, tmp_path):
    path = run_file()
    complete("detect", path)
    told = invoke("verify", path)
    assert told.exit_code == 0
    assert "all as they were written" in told.output
    assert "not there: model" in told.output
    shard = tmp_path / "output/spectrograms.zarr/XX.BBB..HH/2024-01/waveform/c/0/0/0"
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    told = invoke("verify", path)
    assert told.exit_code == 1
    assert "XX.BBB..HH/2024-01/waveform/c/0/0/0: holds other bytes than were written" in told.output
    assert "run again" in told.output
    assert "Traceback" not in told.output
