"""What the run file says of a node, held against the node."""

import pytest

from couloir.compute.node import check_interface, scratch_folder
from couloir.errors import ConfigError


def test_an_interface_that_the_node_does_not_have_is_told_with_those_that_it_has():
    check_interface("lo")
    check_interface(None)
    with pytest.raises(ConfigError, match=r"compute\.slurm\.interface \(ib9\) on .*'lo'"):
        check_interface("ib9")


def test_scratch_is_made_where_its_variables_say(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    assert scratch_folder("$SCRATCH/dask") == str(tmp_path / "dask")
    assert (tmp_path / "dask").is_dir()
    assert scratch_folder(None) is None


@pytest.mark.parametrize("scratch", ["$NOWHERE", "/local/${NOWHERE}/dask"])
def test_a_variable_that_is_not_set_is_told(scratch, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(ConfigError, match=r"compute\.slurm\.scratch \(.*NOWHERE.* a variable in it is not set"):
        scratch_folder(scratch)


@pytest.mark.parametrize("scratch", ["$EMPTY", "${EMPTY}dask", "dask"])
def test_scratch_is_never_where_the_job_happens_to_be(scratch, monkeypatch):
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ConfigError, match=r"compute\.slurm\.scratch \(.*it is no absolute path"):
        scratch_folder(scratch)


def test_scratch_in_the_home_of_nobody_is_told():
    with pytest.raises(ConfigError, match="~nobody-of-that-name/dask: whose home that is, is not known here"):
        scratch_folder("~nobody-of-that-name/dask")


def test_scratch_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made: Not a directory"):
        scratch_folder(str(tmp_path / "file" / "dask"))
