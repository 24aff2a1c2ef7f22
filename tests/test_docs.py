"""Every command and code block of the README runs, and the documents point at what exists."""

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from couloir.archive.layout import PRESETS, Layout
from couloir.identifiers import ChannelId
from couloir.runfile import build

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SHORT = {
    "COULOIR_PRESET": "small",
    "COULOIR_TRAIN__EPOCHS": "2",
    "COULOIR_TRAIN__MAX_ITERATIONS": "20",
    "COULOIR_TRAIN__KMEANS_STARTS": "2",
    "COULOIR_COMPUTE__WORKERS": "2",
}


def blocks(text, language):
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [content for name, content in fences if name == language]


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Run the README's shell commands in order, the archive first; training is cut short."""
    folder = tmp_path_factory.mktemp("readme")
    commands = [line for block in blocks(README, "sh") for line in block.splitlines()]
    commands.sort(key=lambda line: not line.startswith("couloir synth"))
    environment = os.environ | SHORT | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = []
    for command in commands:
        if command.startswith("make ") or (command.startswith("couloir submit") and "--dry-run" not in command):
            continue  # tests/deploy submits to clusters that it starts
        result = subprocess.run(
            ["bash", "-euc", command], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        done.append(command)
    return folder, done


def test_the_readmes_commands_run(workplace):
    folder, done = workplace
    assert len(done) >= 8
    assert (folder / "couloir-output" / "report" / "index.html").exists()


def test_the_readmes_python_runs_on_what_the_commands_left(workplace):
    folder, _ = workplace
    for code in blocks(README, "python"):
        result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert "snr" in result.stdout


def test_the_readmes_make_targets_exist():
    named = {target for block in blocks(README, "sh") for target in re.findall(r"^make ([a-z-]+)", block, re.M)}
    assert named == {"demo", "test"}
    assert named <= targets()


def test_links_between_documents_point_at_files_that_exist():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_listed_output_is_what_a_run_leaves(workplace):
    folder, _ = workplace
    listing = next(block for block in blocks(README, "") if block.startswith("couloir-output/"))
    for name in re.findall(r"^  (\S+)", listing, flags=re.MULTILINE):
        assert (folder / "couloir-output" / name).exists(), name


def test_continuous_integration_calls_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()


ARCHIVES = (ROOT / "docs" / "archives.md").read_text()


def test_the_run_files_of_the_archives_page_are_valid():
    found = [yaml.safe_load(text) for text in blocks(ARCHIVES, "yaml")]
    assert len(found) == 4
    for tree in found:
        archive = build(tree).archive
        assert Layout.named(archive.layout).levels
        assert archive.patterns


def test_the_archives_page_shows_the_presets_as_they_are_and_templates_that_are_taken():
    table = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", ARCHIVES, flags=re.MULTILINE))
    assert table == PRESETS
    (geonet,) = re.findall(r"`(waveforms/[^`]+)`", ARCHIVES)
    path = Layout.named(geonet).path(ChannelId("NZ", "WEL", "10", "HHZ"), dt.date(2022, 1, 2))
    assert path == "waveforms/miniseed/2022/2022.002/WEL.NZ/2022.002.WEL.10-HHZ.NZ.D"
