"""A training whose process is killed again and again ends as one that was left alone."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trainee


def start(output, every_s):
    command = [sys.executable, trainee.__file__, str(output), every_s]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-4000:]
    assert "CouloirWarning" not in errors
    return errors


def kill_at(process, phase, step, *, half, after_s):
    """Kill a training once it has come to a step, or in the midst of writing the checkpoint after it."""
    reached = False
    for line in process.stdout:
        told, done, *_ = line.split()
        reached = reached or (told == phase and int(done) >= step)
        if reached and (told == "half") == half:
            break
    time.sleep(after_s)
    process.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -9, errors[-4000:]
    assert "CouloirWarning" not in errors
    return line


def results(output):
    folder = Path(output) / "model"
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["seconds"]
    log = [line.rsplit(",", 1)[0] for line in (folder / "log.csv").read_text().splitlines()]
    files = {name: (folder / name).read_bytes() for name in ("dec.keras", "initial_labels.npy")}
    return metrics, log, files, sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_a_training_killed_at_random_in_both_phases_and_while_writing_ends_with_the_same_bytes(tmp_path):
    finish(start(tmp_path / "alone", "1000"))
    chance = np.random.default_rng(5)
    halves, ends = 0, []
    for phase, share in [("pretrain", 0.5), ("pretrain", 1.0), ("cluster", 0.5), ("cluster", 1.0)]:
        for half in (False, True):
            step = int(chance.integers(2, int(trainee.STEPS[phase] * share) - 8))
            process = start(tmp_path / "killed", "0" if half else str(chance.choice(["0", "0.2"])))
            line = kill_at(process, phase, step, half=half, after_s=chance.uniform(0, 0.02))
            halves += line.startswith("half")
            ends.append(line)
    finish(start(tmp_path / "killed", "0"))
    assert halves == 4, ends
    assert results(tmp_path / "killed") == results(tmp_path / "alone")
