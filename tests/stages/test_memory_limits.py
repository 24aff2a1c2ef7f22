"""What a job or a pod is given is less than the machine has free."""

import psutil
import pytest

from couloir.stages import train
from couloir.stages.memory import free_memory

GIB = 1 << 30
UNIFIED = ("memory.max", "memory.current", "inactive_file")
LEGACY = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with 500 GiB free."""
    free = psutil.virtual_memory()._replace(available=500 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)


@pytest.fixture
def group(tmp_path):
    """Write which group this process is in, and what groups may have, use and hold of files."""

    def write(line, *folders):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(f"5:cpu,cpuacct:/elsewhere\n{line}\n")
        names = UNIFIED if line.startswith("0::") else LEGACY
        for folder, limit, used, cache in folders:
            place = tmp_path / "sys/fs/cgroup" / folder
            place.mkdir(parents=True, exist_ok=True)
            (place / names[0]).write_text(f"{limit}\n")
            (place / names[1]).write_text(f"{used}\n")
            (place / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n")
        return tmp_path

    return write


def test_without_a_limit_it_is_what_the_machine_has_free(group, tmp_path):
    assert free_memory(tmp_path) == 500 * GIB
    assert free_memory(group("0::/user.slice", ("user.slice", "max", GIB, 0))) == 500 * GIB


def test_a_job_has_what_its_group_or_one_above_it_has_left(group):
    root = group(
        "0::/slurm/job_7/step_0",
        ("slurm/job_7/step_0", "max", 2 * GIB, 0),
        ("slurm/job_7", 32 * GIB, 3 * GIB, GIB),
        ("slurm", 400 * GIB, 100 * GIB, 0),
    )
    assert free_memory(root) == 30 * GIB


def test_a_pod_whose_group_is_mounted_as_the_root_has_its_limit(group):
    assert free_memory(group("0::/", ("", 8 * GIB, GIB, 0))) == 7 * GIB


def test_older_control_groups_count_too(group):
    root = group("9:memory:/kubepods/pod1", ("memory", 1 << 62, 0, 0), ("memory/kubepods/pod1", 4 * GIB, GIB, 0))
    assert free_memory(root) == 3 * GIB


def test_a_group_that_is_over_its_limit_has_nothing_left(group):
    assert free_memory(group("0::/a", ("a", GIB, 2 * GIB, 0))) == 0


@pytest.mark.parametrize(("free", "loaded"), [(10_000, True), (1_000, False)])
def test_an_archive_is_loaded_where_it_fits_and_read_as_needed_where_it_does_not(monkeypatch, free, loaded):
    class Archive:
        shape = (10, 8, 8, 3)

        def load(self, check_stop):
            return "loaded"

    archive = Archive()
    monkeypatch.setattr(train, "free_memory", lambda: free)
    assert train.in_memory(archive) == ("loaded" if loaded else archive)
