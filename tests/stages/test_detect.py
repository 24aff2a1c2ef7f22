"""Detection does each block once, goes on where it stopped, and gives the same bytes however it ran."""

import datetime as dt
import hashlib
from dataclasses import replace

import pytest

from couloir.compute import open_pool
from couloir.config import ComputeConfig
from couloir.errors import StoreError
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.stages.run import check_failures, keep_settings, open_archive
from couloir.stages.settings import output_of
from couloir.store.blocks import ARCHIVE
from couloir.store.manifest import write_index
from couloir.store.outcomes import FAILURES

from .conftest import FIRST, SECOND, SerialPool, make_config


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class CountingPool(SerialPool):
    def __init__(self):
        self.tasks = []

    def submit(self, function, *arguments):
        self.tasks.append(function.__name__)
        return super().submit(function, *arguments)


@pytest.fixture
def written(station):
    station.burst("2024-01-31T06:00:00")
    station.burst("2024-01-31T23:59:58")
    station.burst("2024-02-01T07:00:00")
    return station.write()


def test_a_second_run_does_nothing_and_tells_the_same_outcomes(written, run):
    first = run()
    pool, seen = CountingPool(), []
    second = run(pool=pool, seen=seen)
    assert pool.tasks == []
    assert second.outcomes == first.outcomes
    assert sorted(seen, key=lambda o: o.station_day) == first.outcomes


def test_a_block_whose_mark_is_gone_is_made_again_and_only_that_one(written, run, tmp_path):
    run()
    before = digest(tmp_path / "output" / ARCHIVE)
    mark = tmp_path / "output" / ARCHIVE / "XX.AAA.00.HH" / "2024-02" / "zarr.json"
    mark.write_text(mark.read_text().replace("couloir_complete", "couloir_half_done"))
    pool = CountingPool()
    run(pool=pool)
    assert pool.tasks == ["detect_station_day", "write_block_task"]
    assert digest(tmp_path / "output" / ARCHIVE) == before


def test_other_settings_make_every_block_again(written, run):
    run()
    pool = CountingPool()
    run(pool=pool, detect={"on_factor": 13.0})
    assert pool.tasks.count("detect_station_day") == 2


def test_a_changed_neighbour_file_makes_the_block_beside_it_again(written, run):
    run()
    written.levels[SECOND] = 120.0
    written.write(SECOND)
    pool = CountingPool()
    run(pool=pool)
    assert pool.tasks.count("write_block_task") == 2


@pytest.mark.parametrize("kind", ["threads", "local"])
def test_every_kind_of_pool_gives_the_same_bytes(written, run, tmp_path, kind):
    run(output="serial")
    with open_pool(ComputeConfig(kind=kind, workers=2)) as pool:
        run(output=kind, pool=pool)
    assert digest(tmp_path / kind / ARCHIVE) == digest(tmp_path / "serial" / ARCHIVE)


def test_a_worker_that_dies_again_and_again_is_a_failed_day_and_not_the_end(written, run):
    class Deadly(SerialPool):
        def error(self, handle):
            return MemoryError("killed") if getattr(handle.value, "outcome", None) else None

    result = run(pool=Deadly())
    assert [outcome.status for outcome in result.outcomes] == ["failed", "failed"]
    assert "memory_gb" in result.outcomes[0].reason
    assert len(result.archive) == 0


def test_a_block_whose_writing_dies_is_failed_days_and_made_by_the_next_run(written, run, tmp_path):
    class DeadlyToWrite(SerialPool):
        def error(self, handle):
            return MemoryError("killed") if isinstance(handle.value, list) else None

    config = make_config(written.root, tmp_path / "output")
    inventory = plan(config).inventory
    outcomes = detect(config, inventory, DeadlyToWrite(), progress=lambda outcome: None)
    assert [outcome.status for outcome in outcomes] == ["failed", "failed"]
    assert "2024-01 was not written: MemoryError: killed" in outcomes[0].reason
    assert "detect.max_windows" in outcomes[0].reason
    assert [outcome.status for outcome in run().outcomes] == ["ok", "ok"]


def test_an_unfinished_archive_is_not_opened(written, run, tmp_path):
    result = run()
    mark = tmp_path / "output" / ARCHIVE / "XX.AAA.00.HH" / "2024-02" / "zarr.json"
    mark.unlink()
    with pytest.raises(StoreError, match=r"2024-02 is not complete.*couloir detect"):
        open_archive(result.config, plan(result.config))


def test_a_block_that_lacks_days_of_the_latest_detection_is_not_opened(written, run, tmp_path):
    result = run()
    blocks = plan(result.config).inventory.blocks
    january, february = sorted(blocks)
    day = blocks[january][0]
    more = {january: [replace(day, day=day.day - dt.timedelta(days=1)), day], february: blocks[february]}
    write_index(output_of(result.config), more)  # as a detection of more days does, which is then killed
    with pytest.raises(StoreError, match=r"2024-01 is of 1 station-days, and the latest detection.*of 2"):
        open_archive(result.config, plan(result.config))


def test_an_archive_of_other_settings_is_not_opened(written, run):
    result = run()
    detect = result.config.detect.model_copy(update={"on_factor": 14.0})
    other = result.config.model_copy(update={"detect": detect})
    with pytest.raises(StoreError, match="other settings"):
        open_archive(other, plan(other))


def test_too_many_failures_are_an_error_that_names_the_first(written, run):
    from couloir.errors import TooManyFailuresError

    for channel in written.channels:
        written.path(FIRST, channel).write_bytes(b"nothing that decodes")
    result = run()
    assert sum(outcome.status in FAILURES for outcome in result.outcomes) == 1
    with pytest.raises(TooManyFailuresError, match=r"1 of 2 station-days failed.*2024-01-31.*does not decode"):
        check_failures(result.config, result.outcomes)
    lenient = result.config.model_copy(
        update={"compute": result.config.compute.model_copy(update={"max_failed_fraction": 0.5})}
    )
    check_failures(lenient, result.outcomes)


def test_outcomes_tell_seconds_and_bytes_of_each_step(written, run):
    outcome = run().outcomes[0]
    assert set(outcome.seconds) == {"read", "decode", "detect", "spectrogram", "write"}
    assert outcome.read_bytes > sum(written.path(FIRST, c).stat().st_size for c in written.channels)


def test_the_resolved_run_file_loads_again_to_the_same_settings(written, run, tmp_path):
    from couloir.runfile import load

    config = run().config
    keep_settings(config)
    assert load(tmp_path / "output" / "run.yaml", environment={}) == config


def test_a_file_that_could_not_be_fetched_is_tried_again_by_the_next_run(written, run, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    fetch = LocalFileSystem.cat_file

    def broken(self, path, **options):
        if "/archive/" in path:
            raise PermissionError(13, "Permission denied")
        return fetch(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "cat_file", broken)
        first = run()
    assert [outcome.status for outcome in first.outcomes] == ["failed", "failed"]
    assert "HHE" in first.outcomes[0].reason
    assert "cannot be fetched: access denied" in first.outcomes[0].reason
    second = run()
    assert [outcome.status for outcome in second.outcomes] == ["ok", "ok"]
    assert len(second.archive) == 3


def test_lost_outcomes_are_made_again(written, run, tmp_path):
    import shutil

    first = run()
    shutil.rmtree(tmp_path / "output" / "outcomes")
    second = run()
    assert [o.station_day for o in second.outcomes] == [o.station_day for o in first.outcomes]


def test_choosing_a_neighbour_day_later_makes_the_month_beside_it_again(written, run):
    run(archive={"start": SECOND})
    pool = CountingPool()
    run(pool=pool)
    assert pool.tasks.count("write_block_task") == 2


def test_a_lost_array_is_an_error_that_names_it_and_the_remedy(written, run, tmp_path):
    import shutil

    import numpy as np

    result = run()
    shutil.rmtree(tmp_path / "output" / ARCHIVE / "XX.AAA.00.HH" / "2024-02" / "waveform")
    archive = open_archive(result.config, plan(result.config))
    with pytest.raises(StoreError, match=r"waveform is gone.*couloir detect"):
        archive.waveforms(np.arange(len(archive)))
