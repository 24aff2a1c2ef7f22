"""A stage's mark: of the bytes that were sent, and only while nothing is against writing."""

import pytest

from couloir.errors import HeldError
from couloir.stages.marks import begin, complete, is_current, read_completion
from couloir.store.location import Location
from couloir.store.sealed import Checksum


def finish(place, check=lambda: None):
    folder = begin(place, check)
    (folder / "events" / "A.parquet").write_bytes(b"rows")
    (folder / "clusters.csv").write_text("cluster")
    complete(folder, {"run": 1})


def test_every_file_stands_in_the_mark(tmp_path):
    place = Location(str(tmp_path))
    finish(place)
    mark, checksums = read_completion(place)
    assert mark == {"run": 1}
    assert checksums == {
        "events/A.parquet": Checksum.of(b"rows"),
        "clusters.csv": Checksum.of(b"cluster"),
    }
    assert is_current(place, {"run": 1})
    assert not is_current(place, {"run": 2})


def test_the_mark_is_of_what_was_sent_not_of_what_arrived(tmp_path, monkeypatch):
    put = Location._put

    def damage(self, data, *arguments, **options):
        put(self, data.replace(b"rows", b"rowS"), *arguments, **options)

    monkeypatch.setattr(Location, "_put", damage)
    place = Location(str(tmp_path))
    finish(place)
    assert (tmp_path / "events" / "A.parquet").read_bytes() == b"rowS"
    assert read_completion(place)[1]["events/A.parquet"] == Checksum.of(b"rows")


def test_nothing_is_written_once_something_is_against_it(tmp_path):
    place = Location(str(tmp_path))
    looks = iter([None, None, HeldError("another run has it")])

    def check():
        if error := next(looks):
            raise error

    with pytest.raises(HeldError):
        finish(place, check)
    assert (tmp_path / "events" / "A.parquet").exists()
    assert not (tmp_path / "clusters.csv").exists()
    assert read_completion(place) is None
