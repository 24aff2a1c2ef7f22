"""How SLURM's commands are called, with stand-ins of them."""

import os

import pytest

from couloir.compute.slurm import Script, submit


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Give what sbatch finds in its environment; it is a stand-in that writes that down."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path / 'found'}\necho '12;cluster'\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return lambda: dict(line.partition("=")[::2] for line in (tmp_path / "found").read_text().splitlines())


def test_what_users_set_for_slurm_outside_of_a_job_reaches_it(environment, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SLURM_CPU_BIND", "cores")
    monkeypatch.setenv("SLURM_CLUSTERS", "b")
    submit(Script("train", "#!/bin/bash\n"))
    assert {"SLURM_CPU_BIND", "SLURM_CLUSTERS"} <= environment().keys()


def test_a_job_that_is_submitted_from_within_another_inherits_nothing_of_it(environment, monkeypatch):
    for name in ("SLURM_MEM_PER_NODE", "SLURM_JOB_ID", "SLURM_CONF", "SLURM_CLUSTERS", "SBATCH_ACCOUNT"):
        monkeypatch.setenv(name, "1")
    assert submit(Script("train", "#!/bin/bash\n")) == "12"
    found = environment()
    assert {"SLURM_CONF", "SLURM_CLUSTERS", "SBATCH_ACCOUNT"} <= found.keys(), (
        "what users set for SLURM's commands stays"
    )
    assert not {"SLURM_MEM_PER_NODE", "SLURM_JOB_ID"} & found.keys()
