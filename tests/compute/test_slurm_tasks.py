"""How the tasks of an allocation end, where no allocation is needed to see it."""

import subprocess
import sys

import pytest

HANGING = """
import pathlib, sys, threading, time
from couloir.compute import slurm_tasks
slurm_tasks._GRACE_S = 0
end, rank = pathlib.Path(sys.argv[1]), int(sys.argv[2])
threading.Thread(target=slurm_tasks._end_with_the_run, args=(end, rank), daemon=True).start()
time.sleep(100)
"""


@pytest.mark.parametrize(("rank", "code"), [(0, 0), (1, 3), (2, 0)])
def test_a_task_that_hangs_once_the_run_has_ended_is_ended_and_the_run_s_own_with_its_code(rank, code, tmp_path):
    (tmp_path / "ended").write_text("3\n")
    command = [sys.executable, "-c", HANGING, str(tmp_path / "ended"), str(rank)]
    assert subprocess.run(command, timeout=90).returncode == code
