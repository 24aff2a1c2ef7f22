"""A damaged document that a stage left is told with its file and what to do, never as a traceback."""

import re

import pytest

from couloir.errors import DamagedError
from couloir.stages.assessment import read_assessment
from couloir.stages.comparison import read_selection
from couloir.stages.naming import read_naming
from couloir.stages.newness import read_basis
from couloir.stages.seeds import read_stability
from couloir.stages.structure import read_structure
from couloir.store.location import Location

READERS = {
    "naming.json": (read_naming, "couloir catalog"),
    "structure.json": (read_structure, "couloir catalog"),
    "assessment.json": (read_assessment, "couloir catalog"),
    "novelty.json": (read_basis, "couloir catalog"),
    "stability.json": (read_stability, "couloir train --seeds N"),
    "select-k/selection.json": (read_selection, "couloir train --select-k"),
}


@pytest.mark.parametrize("content", [b"", b'{"seeds": [1,', b"[]", b"{}", b'"text"', b'{"name": "\xe9"}', b"null"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_document_is_told_with_its_file_and_the_remedy(tmp_path, name, content):
    read, command = READERS[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    told = rf"{re.escape(str(path))} is damaged \(.*\)\. Remove it and run `{command}`"
    with pytest.raises(DamagedError, match=told):
        read(Location(str(tmp_path)))


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"select-k/selection.json"}))
def test_where_there_is_none_there_is_none(tmp_path, name):
    assert READERS[name][0](Location(str(tmp_path))) is None
