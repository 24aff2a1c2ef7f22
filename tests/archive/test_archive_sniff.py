import bz2
import gzip
import lzma

import damage
import pytest

from couloir.archive import guard
from couloir.archive.decode import decode
from couloir.archive.sniff import as_text, lacks_blockette_1000, what_it_is
from couloir.errors import UnreadableError

SOURCES = {source.kind: source for source in damage.sound_sources(600)}
SOUND = SOURCES["mseed STEIM2 512"].data


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (damage.HTML, "holds HTML: a download that failed"),
        (b"\n  <html>404</html>", "holds HTML"),
        (damage.XML, "holds XML: a download that failed"),
        (gzip.compress(SOUND, mtime=0), "gzip-compressed: decompress it first"),
        (bz2.compress(SOUND), "bzip2-compressed: decompress it first"),
        (lzma.compress(SOUND), "xz-compressed: decompress it first"),
        (bytes(2_000), "holds zeros only"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
    ids=lambda value: value[:12],
)
def test_what_is_surely_no_recording_is_told_without_a_reader(data, told, monkeypatch):
    monkeypatch.setattr(guard, "_start", None)  # no process is started for it
    monkeypatch.setattr(guard._here, "guard", None, raising=False)
    with pytest.raises(UnreadableError, match=f"some/file does not decode: it.*{told}"):
        decode(data, damage.CHANNEL, name="some/file")


@pytest.mark.parametrize("kind", SOURCES)
def test_no_sound_recording_is_taken_for_something_else(kind):
    assert what_it_is(SOURCES[kind].data) is None


def test_text_that_no_format_claims_is_shown():
    with pytest.raises(UnreadableError, match="begins with the text 'file not found'"):
        decode(b"file not found\n" * 9, damage.CHANNEL, name="x")
    assert as_text(b"\xff\xfe") is None
    assert as_text(b"\x1b[31m") is None


def test_only_records_without_blockette_1000_are_said_to_lack_it():
    for kind, source in SOURCES.items():
        if source.is_miniseed:
            assert lacks_blockette_1000(source.data) == (kind == "mseed without blockette 1000"), kind
