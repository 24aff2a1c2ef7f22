"""How the tasks of an allocation end, where no allocation is needed to see it."""

import socket
import subprocess
import sys

import pytest

from couloir.compute import slurm_tasks

HANGING = """
import pathlib, sys, threading, time
from couloir.compute import slurm_tasks
from couloir.errors import TooManyFailuresError
slurm_tasks._GRACE_S = 0
end, rank = slurm_tasks._End(pathlib.Path(sys.argv[1])), int(sys.argv[2])
if rank == 1:
    end.say(3, TooManyFailuresError("3 of 4 station-days failed"))
else:
    end.path.write_text("3")
threading.Thread(target=slurm_tasks._end_with_the_run, args=(end, rank), daemon=True).start()
time.sleep(100)
"""


@pytest.mark.parametrize(("rank", "code"), [(0, 0), (1, 3), (2, 0)])
def test_a_task_that_hangs_once_the_run_has_ended_is_ended_and_the_run_s_own_with_its_code(rank, code, tmp_path):
    command = [sys.executable, "-c", HANGING, str(tmp_path / "ended"), str(rank)]
    done = subprocess.run(command, timeout=90, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stderr == ("couloir: 3 of 4 station-days failed\n" if rank == 1 else "")


def test_a_scheduler_that_has_died_is_told_from_one_that_lives():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tls://127.0.0.1:{server.getsockname()[1]}"
        assert slurm_tasks._listens(address)
    assert not slurm_tasks._listens(address)
