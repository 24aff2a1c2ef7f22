"""A verification finds a flipped byte in any stored object, and parts that do not fit together."""

import io
import shutil
from dataclasses import asdict, replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from couloir.errors import MissingStageError
from couloir.identifiers import Block
from couloir.stages.settings import output_of
from couloir.stages.verify import verify
from couloir.store.location import Location
from couloir.store.outcomes import read_outcomes, write_outcomes
from couloir.store.sealed import Checksum, seal, unseal

from .two_months import run_to_its_end

OF_RUNS = ("hold/", "progress/")


def silent(done, total):
    pass


def checked(config, output):
    """Verify a copy of the output."""
    moved = config.output.model_copy(update={"url": str(output)})
    return verify(config.model_copy(update={"output": moved}), progress=silent)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole run on two station-months, its training cut to almost nothing."""
    return run_to_its_end(tmp_path_factory.mktemp("verify"), catalog={"quakeml": True})


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(output_of(finished).local_path, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_sound_output_is_found_sound_and_all_of_its_objects_are_looked_at(finished):
    output = output_of(finished)
    found = verify(finished, progress=silent)
    assert found.problems == ()
    assert found.missing == ()
    others = [name for name in output.walk() if not name.startswith((*OF_RUNS, "checksums/"))]
    known_otherwise = {"run.yaml", "index.json"} | {name for name in others if name.endswith("complete.json")}
    known_otherwise |= {"spectrograms.zarr/zarr.json", "spectrograms.zarr/XX.AAA.00.HH/zarr.json"}
    assert found.objects == len(set(others) - known_otherwise)


def objects_of(config):
    return sorted(name for name in output_of(config).walk() if not name.startswith(OF_RUNS))


def test_a_flipped_byte_in_any_object_is_found(finished, copy):
    rng = np.random.default_rng(1)
    names = objects_of(finished)
    assert len(names) > 80
    for name in names:
        path = copy / name
        sound = path.read_bytes()
        position = int(rng.integers(len(sound)))
        path.write_bytes(
            sound[:position] + bytes([sound[position] ^ (1 << int(rng.integers(8)))]) + sound[position + 1 :]
        )
        found = checked(finished, copy)
        assert found.problems, f"{name}, byte {position} of {len(sound)}"
        path.write_bytes(sound)
    assert not checked(finished, copy).problems


def test_a_lost_or_cut_object_is_found(finished, copy):
    rng = np.random.default_rng(2)
    for name in rng.choice(objects_of(finished), 25, replace=False):
        path = copy / name
        sound = path.read_bytes()
        path.write_bytes(sound[:-1])
        assert checked(finished, copy).problems, f"{name}, cut"
        path.unlink()
        found = checked(finished, copy)
        assert found.problems or found.missing, f"{name}, lost"
        path.write_bytes(sound)


def test_a_month_that_is_gone_from_a_finished_output_is_a_problem(finished, copy):
    shutil.rmtree(copy / "spectrograms.zarr" / "XX.AAA.00.HH" / "2024-01")
    assert any("2024-01" in problem.place for problem in checked(finished, copy).problems)
    shutil.rmtree(copy / "checksums" / "XX.AAA.00.HH")
    assert any("2024-01" in problem.place for problem in checked(finished, copy).problems)


def test_what_a_killed_process_left_of_a_file_is_no_matter(finished, copy):
    (copy / "checksums" / "XX.AAA.00.HH" / ".2024-01.json.77.88.part").write_bytes(b"{")
    (copy / "checksums" / "notes.txt").write_bytes(b"a user's")
    assert not checked(finished, copy).problems


def test_a_foreign_object_in_a_block_is_found(finished, copy):
    (copy / "spectrograms.zarr" / "XX.AAA.00.HH" / "2024-01" / "left.tmp").write_bytes(b"x")
    found = checked(finished, copy)
    assert [problem.what for problem in found.problems] == ["was not written by a run"]


def test_outcomes_that_tell_other_numbers_are_found_though_their_checksum_is_right(finished, copy):
    output, block = Location(str(copy)), Block.parse("XX.AAA.00.HH/2024-01")
    outcomes = read_outcomes(output, [block])
    sums = write_outcomes(output, block, [replace(outcomes[0], events=99)])
    manifest = copy / "checksums" / f"{block.key}.json"
    held = unseal(manifest.read_bytes())
    held["objects"] |= {name: asdict(checksum) for name, checksum in sums.items()}
    manifest.write_bytes(seal(held))
    assert any("its outcomes say 99" in problem.what for problem in checked(finished, copy).problems)


def test_a_model_of_another_archive_is_found(finished, copy):
    mark = copy / "model" / "complete.json"
    held = unseal(mark.read_bytes())
    held["made_from"]["model_id"] = "0" * 16
    mark.write_bytes(seal(held))
    assert any("model was made from other things" in p.what for p in checked(finished, copy).problems)


def test_a_catalog_with_a_row_too_few_is_found(finished, copy):
    name = "events/XX/AAA/2024.parquet"
    sink = io.BytesIO()
    pq.write_table(pq.read_table(copy / "catalog" / name).slice(1), sink)
    (copy / "catalog" / name).write_bytes(sink.getvalue())
    mark = copy / "catalog" / "complete.json"
    held = unseal(mark.read_bytes())
    held["files"][name] = asdict(Checksum.of(sink.getvalue()))
    mark.write_bytes(seal(held))
    assert any("rows, the archive" in problem.what for problem in checked(finished, copy).problems)


def test_what_is_not_done_yet_is_missing_and_no_problem(finished, copy):
    shutil.rmtree(copy / "catalog")
    shutil.rmtree(copy / "report")
    found = checked(finished, copy)
    assert found.missing == ("catalog", "report")
    assert not found.problems


def test_an_output_without_a_run_is_said_to_be_one(finished, tmp_path):
    with pytest.raises(MissingStageError, match="no run to verify"):
        checked(finished, tmp_path / "nothing")
