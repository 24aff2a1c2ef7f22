import numpy as np
import pytest
import xarray
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from couloir.errors import StoreError
from couloir.identifiers import BandId, Block
from couloir.storage import Patience
from couloir.store.blocks import ARCHIVE, read_mark
from couloir.store.events import COLUMNS
from couloir.store.location import Location
from couloir.store.spectrograms import SpectrogramArchive


def others(block, count):
    return [Block(BandId("GG", f"LH{number:02}", "", "EH"), 2024, 3) for number in range(count)]


def bytes_of(place):
    root = (place / ARCHIVE).local_path
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("count", [1, 5, 13])
def test_a_block_comes_back_as_it_was_written(output, block, write, count, small_shards, expected_pictures, axes):
    waveforms = write(output, block, count)
    archive = SpectrogramArchive(output, [block])
    assert archive.shape == (count, 8, 4, 3)
    assert len(archive) == count
    assert archive.load().dtype == np.float16
    assert np.array_equal(archive.load(), expected_pictures(waveforms))
    np.testing.assert_array_equal(archive.waveforms(np.arange(count)), waveforms)
    assert archive.column("start_time").tolist() == [block.start_ns + i * 10**9 for i in range(count)]
    assert archive.column("window").tolist() == list(range(count))
    found = archive.axes()
    assert np.array_equal(found.frequency, axes.frequency)
    assert np.array_equal(found.time, axes.time)
    assert (found.samples, found.sampling_rate) == (axes.samples, axes.sampling_rate)
    assert read_mark(output, block) == {"settings": "abc", "events": count}


def test_a_block_without_events_is_complete_and_empty(output, block, write):
    write(output, block, 0)
    archive = SpectrogramArchive(output, [block])
    assert archive.shape == (0, 8, 4, 3)
    assert archive.load().shape == (0, 8, 4, 3)
    assert archive[np.array([], np.int64)].shape == (0, 8, 4, 3)
    assert archive.column("snr").dtype == np.float32
    assert read_mark(output, block) is not None


@pytest.mark.parametrize("count", [0, 5])
def test_xarray_opens_a_block_with_times_names_units_and_coordinates(local, block, write, count, axes):
    waveforms = write(local, block, count)
    store = str((local / ARCHIVE).local_path)
    data = xarray.open_zarr(store, group=block.key, consolidated=False)
    assert data.spectrogram.dims == ("event", "frequency", "time", "component")
    assert data.waveform.dims == ("event", "component", "sample")
    assert all(data[name].dims == ("event",) for name in COLUMNS)
    np.testing.assert_array_equal(data.frequency, axes.frequency)
    np.testing.assert_array_equal(data.time, axes.time)
    assert {"frequency", "time", "component"} <= set(data.coords)
    assert data.frequency.attrs["units"] == "Hz"
    assert data.waveform.attrs["units"] == "count"
    assert data.spectrogram.dtype == np.float16
    for name in ("start_time", "onset_time", "peak_time", "end_time"):
        assert data[name].dtype == np.dtype("datetime64[ns]")
    expected = block.start_ns + np.arange(count) * 10**9 + 750_000_001
    assert np.array_equal(data.peak_time.values.astype(np.int64), expected)
    np.testing.assert_array_equal(data.waveform.values, waveforms)
    assert data.attrs["station"] == "GG.LH01..EH"
    assert data.attrs["month"] == "2024-02"


def test_xarray_opens_the_whole_archive_as_a_tree(local, block, write):
    for number, each in enumerate([block, *others(block, 2)]):
        write(local, each, 3 + number)
    tree = xarray.open_datatree(str((local / ARCHIVE).local_path), engine="zarr", consolidated=False)
    sizes = {node.path: node.sizes["event"] for node in tree.leaves}
    assert sizes == {"/GG.LH01..EH/2024-02": 3, "/GG.LH00..EH/2024-03": 4, "/GG.LH01..EH/2024-03": 5}


def test_a_block_without_its_mark_is_not_complete_and_is_refused(output, block, write):
    assert read_mark(output, block) is None
    write(output, block, 3, mark=False)
    assert read_mark(output, block) is None
    assert not (output / ARCHIVE / block.key / "zarr.json").exists()
    with pytest.raises(StoreError, match=r"GG\.LH01\.\.EH/2024-02 is not complete.*couloir detect"):
        SpectrogramArchive(output, [block])
    write(output, block, 3)
    assert read_mark(output, block) == {"settings": "abc", "events": 3}
    assert len(SpectrogramArchive(output, [block])) == 3


def test_a_missing_block_is_refused(output, block, write):
    write(output, block, 2)
    with pytest.raises(StoreError, match="not complete"):
        SpectrogramArchive(output, [block, *others(block, 1)])


def test_a_rewrite_that_breaks_off_leaves_no_mark(output, block, write):
    write(output, block, 5)

    def broken(windows):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        write(output, block, 5, picture=broken)
    assert read_mark(output, block) is None


def test_the_old_mark_is_gone_before_any_of_the_new_data_is_written(local, block, write, monkeypatch):
    write(local, block, 5)

    def broken(*args, **options):
        assert read_mark(local, block) is None
        raise RuntimeError("killed")

    monkeypatch.setattr("couloir.store.blocks.zarr.create_group", broken)
    with pytest.raises(RuntimeError, match="killed"):
        write(local, block, 5)
    assert read_mark(local, block) is None


def test_a_rewrite_leaves_nothing_of_the_old_block(output, block, write):
    write(output, block, 13, settings={"sampling_rate": 20.0, "old": True})
    waveforms = write(output, block, 2, first=50)
    archive = SpectrogramArchive(output, [block])
    np.testing.assert_array_equal(archive.waveforms(np.arange(2)), waveforms)
    group = zarr.open_group((output / ARCHIVE).zarr_store(), path=block.key, mode="r")
    assert "old" not in group.attrs


def test_the_same_data_gives_the_same_bytes(tmp_path, local, block, write, small_shards):
    twin = type(local)(str(tmp_path / "twin"))
    write(local, block, 13)
    write(twin, block, 13)
    files = bytes_of(local)
    assert files == bytes_of(twin)
    assert len([name for name in files if "/spectrogram/c/" in name]) == 3
    write(local, block, 4, first=9)
    write(local, block, 13)
    assert bytes_of(local) == files


@pytest.mark.parametrize("content", [b"", b"{", b"{}"])
def test_a_group_of_which_a_killed_task_left_a_part_is_not_complete_and_can_be_rewritten(
    local, block, write, content
):
    write(local, block, 2)
    (local / ARCHIVE / block.key / "zarr.json").write_bytes(content)
    assert read_mark(local, block) is None
    write(local, block, 2)
    assert len(SpectrogramArchive(local, [block])) == 2


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Hold three blocks, an empty one between them, opened as one."""
    return {}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(st.integers(0, 15), max_size=30))
def test_events_of_several_blocks_are_gathered_in_the_order_asked_for(
    many, tmp_path, block, write, expected_pictures, wanted
):
    if not many:
        output = Location(str(tmp_path / "gather"))
        blocks = [block, *others(block, 3)]
        parts = [write(output, each, count, first=count) for each, count in zip(blocks, (7, 0, 0, 9), strict=True)]
        many |= {"archive": SpectrogramArchive(output, blocks), "waveforms": np.concatenate(parts)}
    archive, waveforms = many["archive"], many["waveforms"]
    indices = np.array(wanted, np.int64)
    np.testing.assert_array_equal(archive.waveforms(indices), waveforms[indices])
    assert np.array_equal(archive[indices], expected_pictures(waveforms[indices]))
    assert np.array_equal(archive.load(), expected_pictures(waveforms))
    assert archive.block_numbers().tolist() == [0] * 7 + [3] * 9


def test_an_event_that_is_not_there_is_an_error(local, block, write):
    write(local, block, 3)
    archive = SpectrogramArchive(local, [block])
    for beyond in (3, -1):
        with pytest.raises((IndexError, ValueError)):
            archive[np.array([beyond])]


def test_a_server_that_is_away_is_said_in_words(s3, bucket, block):
    away = Location(f"s3://{bucket}/out", {"endpoint_url": "http://127.0.0.1:9"}, Patience(0.5, 0.5))
    with pytest.raises(StoreError, match="cannot reach s3://"):
        SpectrogramArchive(away, [block])
