from pathlib import Path

import pytest

from couloir.errors import StoreError
from couloir.store.location import Location


def test_what_is_written_is_read_back(output):
    place = output / "folder" / "file.txt"
    assert not place.exists()
    assert place.read_bytes() is None
    assert place.read_text() is None
    place.write_text("é × σ\n")
    assert place.exists()
    assert place.read_text() == "é × σ\n"
    place.write_bytes(b"\0\1")
    assert place.read_bytes() == b"\0\1"


def test_what_is_removed_is_gone_and_removing_nothing_is_no_error(output):
    (output / "a" / "b").write_text("x")
    (output / "c").write_text("y")
    (output / "a").remove()
    (output / "a").remove()
    assert not (output / "a").exists()
    assert (output / "c").read_text() == "y"


def test_a_slash_at_the_end_changes_nothing(local):
    assert str(Location(f"{local}/") / "x") == str(local / "x")


def test_writing_leaves_no_part_behind(local):
    (local / "file").write_text("x")
    (local / "file").write_text("y")
    assert [path.name for path in local.local_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_content_and_says_where(local, monkeypatch):
    (local / "file").write_text("old")

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"out/file.*No space left on device.*output\.url"):
        (local / "file").write_text("new")
    assert (local / "file").read_text() == "old"


def test_paths_and_urls_of_this_machine_are_the_same_place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for url in ("~/out", "out", f"{tmp_path}/out", f"file://{tmp_path}/out", "./out"):
        place = Location(url) / "file"
        assert place.local_path == tmp_path / "out" / "file", url
        place.write_text(url)
        assert place.read_text() == url
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_other_places_have_no_local_path():
    assert Location("memory://x/y").local_path is None
    assert Location("s3://bucket/prefix").local_path is None
