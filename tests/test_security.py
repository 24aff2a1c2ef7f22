"""What files from elsewhere must not be able to do: run code, or write outside of the output."""

import datetime as dt
import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np
import obspy
import pytest

from couloir.archive.layout import Layout
from couloir.archive.listing import list_objects
from couloir.dec.checkpoint import unpack
from couloir.dec.novelty import load_novelty
from couloir.errors import ConfigError, CouloirError, MissingStageError, TrainingError
from couloir.identifiers import Block, Pattern
from couloir.runfile import loads
from couloir.storage import Patience
from couloir.store.location import Location


class Harmful:
    """Make a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def target(tmp_path):
    """Give the path of what must not come into being."""
    target = tmp_path / "made by the harmful file"
    yield target
    assert not target.exists()


def harmful_arrays(target, **others) -> bytes:
    data = io.BytesIO()
    np.savez(data, allow_pickle=True, **others, harmful=np.array([Harmful(target)], dtype=object))
    return data.getvalue()


def test_the_harmful_pickle_works_where_it_is_loaded(tmp_path):
    pickle.loads(pickle.dumps(Harmful(tmp_path / "made")))  # noqa: S301 - this is what must not happen elsewhere
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"])
def test_a_run_file_runs_nothing(tag, target):
    with pytest.raises(ConfigError, match="not valid YAML"):
        loads(f"archive: {tag} ['{target}']\noutput: {{url: out}}\n")


def test_a_calibration_of_novelty_is_not_unpickled(tmp_path, target):
    names = ("centre", "basis", "scale", "inverse", "noise", "rare_body", "noise_body")
    path = tmp_path / "novelty.npz"
    harmful = np.array([Harmful(target)], dtype=object)
    np.savez(path, allow_pickle=True, **dict.fromkeys(names, harmful))
    with pytest.raises(MissingStageError, match="holds no calibration of novelty"):
        load_novelty(path)


def test_a_checkpoint_is_not_unpickled_even_when_its_checksum_is_right(target):
    content = harmful_arrays(target, header=np.frombuffer(b"{}", np.uint8))
    with pytest.raises(ValueError, match="pickle"):
        unpack(content + hashlib.sha256(content).digest())


def test_a_model_with_code_in_it_is_refused(tmp_path, target):
    keras = pytest.importorskip("keras")
    from couloir.dec.assign import load_model

    path = tmp_path / "dec.keras"
    name = str(target)
    layer = keras.layers.Lambda(lambda x: (__import__("os").makedirs(name, exist_ok=True), x)[1])
    inputs = keras.Input((2,))
    keras.Model(inputs, layer(inputs)).save(path)
    if target.exists():
        target.rmdir()  # building the model ran it once
    with pytest.raises(TrainingError, match="cannot be read as a Keras model"):
        load_model(path)


def test_an_array_whose_codec_unpickles_is_not_opened(tmp_path, target):
    zarr = pytest.importorskip("zarr")
    from couloir.store.spectrograms import SpectrogramArchive

    block = Block.parse("XX.AAA.00.HH/2024-01")
    place = tmp_path / "spectrograms.zarr" / block.key
    group = zarr.open_group(place, mode="w", zarr_format=2)
    codec = __import__("numcodecs").Pickle()
    group.create_array("spectrogram", shape=(1,), dtype="float32", filters=[codec], compressors=None)
    (place / "spectrogram" / "0").write_bytes(pickle.dumps(Harmful(target)))
    with pytest.raises((CouloirError, KeyError)):
        SpectrogramArchive(Location(str(tmp_path)), [block]).events(block)


@pytest.mark.parametrize("name", ["../../XX.AAA.00.HH/2024-01", "XX...HH/2024-01/..", "XX.A/B.00.HH/2024-01"])
def test_a_name_that_leads_out_of_the_output_is_no_block(name):
    with pytest.raises(ValueError, match=r"is no (block|band)"):
        Block.parse(name)


def test_records_whose_codes_are_paths_are_left_out(tmp_path):
    traces = []
    for location, channel in (("00", "HHZ"), ("/.", "./Z"), ("..", "HHZ")):
        header = {"network": "XX", "station": "AAA", "location": location, "channel": channel}
        header |= {"starttime": obspy.UTCDateTime(2024, 1, 1), "sampling_rate": 20.0}
        traces.append(obspy.Trace(np.arange(72_000, dtype=np.int32), header))
    root = tmp_path / "archive"
    root.mkdir()
    obspy.Stream(traces).write(str(root / "XX.AAA.2024.001.mseed"), format="MSEED")
    listing = list_objects(
        str(root),
        Layout.named("{net}.{sta}.{year}.{doy}.mseed"),
        patterns=[Pattern()],
        days=[dt.date(2024, 1, 1)],
        storage_options={},
        patience=Patience(),
    )
    assert [str(item.channel) for item in listing.objects] == ["XX.AAA.00.HHZ"]
    assert sum("codes hold letters" in reason for reason in listing.left_out) == 2
