"""Select K: the comparison is made once, goes on where it was stopped, and never chooses on what it reports."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from trainee import config_of

from couloir.catalog.truth import read_truth
from couloir.dec import refine as refining
from couloir.dec import selection as criteria
from couloir.errors import ConfigError, MissingStageError, TrainingError
from couloir.identifiers import HOUR_NS, NS_PER_S, BandId, Block
from couloir.stages.comparison import FOLDER, read_selection
from couloir.stages.halves import LabelHalves, split_by_hour
from couloir.stages.marks import read_completion
from couloir.stages.select import parse_range, select
from couloir.stages.settings import output_of
from couloir.store.events import event_id
from couloir.store.location import Location

QUICK = {"epochs": 2, "max_iterations": 6, "update_interval": 3, "learning_rate": 0.01}
CLASSES = np.array(["low", "beats", "high"])[np.arange(90) % 3]
DAY_NS = 1_704_067_200 * NS_PER_S


class Archive:
    """Stand for a spectrogram archive of small pictures of three kinds, one event every ten minutes."""

    shape = (90, 16, 16, 3)
    digest = "fedcba9876543210"
    blocks = (Block(BandId("XX", "AAA", "00", "HH"), 2024, 1),)

    def __len__(self):
        return 90

    def load(self, between=lambda: None):
        pictures = np.random.default_rng(0).normal(scale=0.5, size=self.shape)
        pictures[CLASSES == "low", :4] += 3
        pictures[CLASSES == "beats", :, 3::5] += 3
        pictures[CLASSES == "high", 10:] += 3
        return pictures.astype(np.float16)

    def block_numbers(self):
        return np.zeros(90, np.int64)

    def column(self, name):
        after = {"start_time": 0, "onset_time": 5, "end_time": 15}[name]
        return DAY_NS + (np.arange(90) * 600 + after) * NS_PER_S


class Stopped(BaseException):
    """What the command line raises when it is told to end."""


def quiet(phase, done, total, message):
    """Tell nobody."""


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few splits and references: what they come to is tested elsewhere."""
    monkeypatch.setattr(criteria, "REFERENCES", 2)
    monkeypatch.setattr(
        criteria.judge, "__kwdefaults__", {**criteria.judge.__kwdefaults__, "splits": 3, "starts": 2}
    )


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "truth.csv"
    onsets = np.datetime64("2024-01-01T00:00:05") + np.arange(90) * np.timedelta64(600, "s")
    rows = [
        f"AAA,{name},{onset},{onset + np.timedelta64(10, 's')}"
        for name, onset in zip(CLASSES, onsets, strict=True)
    ]
    path.write_text("station,class,start_time,end_time\n" + "\n".join(rows) + "\n")
    return path


def settings_of(output, truth=None, labels=None, **train):
    config = config_of(output, **{**QUICK, **train})
    places = {"truth": str(truth) if truth else None, "labels": str(labels) if labels else None}
    catalog = config.catalog.model_copy(update=places)
    return config.model_copy(update={"catalog": catalog})


def test_a_comparison_is_written_completed_and_not_made_twice(tmp_path, truth):
    config = settings_of(tmp_path, truth, epochs=6)
    assert select(config, Archive(), numbers=(2, 3, 4), progress=quiet)
    assert not select(config, Archive(), numbers=(2, 3, 4), progress=quiet)
    place = output_of(config)
    found = read_selection(place)
    assert [row.clusters for row in found.rows] == [2, 3, 4]
    assert found.recommended == 3
    assert found.score["n"] < 90
    assert found.score["ari"] == pytest.approx(1)
    assert found.rows[1].tuning_ari == pytest.approx(1)
    assert found.rows[1].centroid_error < found.rows[0].centroid_error
    table = list(csv.DictReader(io.StringIO((place / FOLDER / "selection.csv").read_text())))
    assert [row["clusters"] for row in table] == ["2", "3", "4"]
    assert float(table[1]["weakest"]) == pytest.approx(found.rows[1].weakest, abs=1e-5)
    picture = np.asarray(Image.open(io.BytesIO((place / FOLDER / "selection.png").read_bytes())).convert("L"))
    assert picture.shape[1] > 1000
    assert 0.005 < (picture < 128).mean() < 0.2
    mark, files = read_completion(place / FOLDER)
    assert mark["clusters"] == [2, 3, 4]
    assert set(files) == {"selection.csv", "selection.json", "selection.png"}


def test_a_stopped_comparison_goes_on_and_a_wider_one_does_only_what_is_new(tmp_path, monkeypatch):
    config, judged, pretrained = settings_of(tmp_path), [], []
    judge, pretrain = criteria.judge, refining.pretrain_once

    def stop_at_three(vectors, clusters, **rest):
        judged.append(clusters)
        if judged == [2, 3]:
            raise Stopped
        return judge(vectors, clusters, **rest)

    monkeypatch.setattr(criteria, "judge", stop_at_three)
    monkeypatch.setattr(refining, "pretrain_once", lambda *a, **k: pretrained.append(1) or pretrain(*a, **k))
    with pytest.raises(Stopped):
        select(config, Archive(), numbers=(2, 3), progress=quiet)
    with pytest.raises(MissingStageError, match="--select-k"):
        read_selection(output_of(config))
    assert select(config, Archive(), numbers=(2, 3), progress=quiet)
    assert select(config, Archive(), numbers=(2, 3, 4), progress=quiet)
    assert judged == [2, 3, 3, 4]
    assert pretrained == [1]
    monkeypatch.setattr(criteria, "judge", judge)
    fresh = settings_of(tmp_path / "fresh")
    select(fresh, Archive(), numbers=(2, 3, 4), progress=quiet)
    assert read_selection(output_of(fresh)) == read_selection(output_of(config))


def test_pre_training_goes_on_from_its_checkpoint(tmp_path):
    config, told, left = settings_of(tmp_path), [], [3]

    def stop_after_some():
        left[0] -= 1
        if left[0] < 0:
            raise Stopped

    with pytest.raises(Stopped):
        select(config, Archive(), numbers=(2, 3), progress=quiet, check_stop=stop_after_some)
    assert list((tmp_path / FOLDER / "checkpoint").iterdir())
    select(config, Archive(), numbers=(2, 3), progress=lambda *report: told.append(report))
    assert sum("going on from" in message for *_, message in told) == 1
    assert not (tmp_path / FOLDER / "checkpoint").exists()


def test_what_was_kept_of_other_settings_or_is_damaged_is_made_again(tmp_path, monkeypatch):
    pretrained, pretrain = [], refining.pretrain_once
    monkeypatch.setattr(refining, "pretrain_once", lambda *a, **k: pretrained.append(1) or pretrain(*a, **k))
    few = {"epochs": 1}
    select(settings_of(tmp_path, **few), Archive(), numbers=(2, 3), progress=quiet)
    select(settings_of(tmp_path, **few, clusters=5), Archive(), numbers=(2, 3, 4), progress=quiet)
    assert len(pretrained) == 1
    select(settings_of(tmp_path, **few, noise=0.5), Archive(), numbers=(2, 3), progress=quiet)
    assert len(pretrained) == 2
    kept = tmp_path / FOLDER / "kept" / "autoencoder.npz"
    kept.write_bytes(kept.read_bytes()[:-100])
    select(settings_of(tmp_path, **few, noise=0.5), Archive(), numbers=(2, 3, 4), progress=quiet)
    assert len(pretrained) == 3


def test_refining_adds_the_joint_models_agreement_and_error(tmp_path):
    config = settings_of(tmp_path)
    select(config, Archive(), numbers=(2, 3), refine=4, progress=quiet)
    found = read_selection(output_of(config))
    for row in found.rows:
        assert row.joint_agreement <= 1
        assert 0 < row.joint_error < 2 * found.autoencoder_error


def test_the_choice_and_the_table_never_see_the_reporting_half(tmp_path, truth, monkeypatch):
    config = settings_of(tmp_path, truth)
    select(config, Archive(), numbers=(2, 3), progress=quiet)
    before = read_selection(output_of(config))
    reporting = split_by_hour(Archive().column("onset_time"), seed=config.train.seed)
    lines = truth.read_text().splitlines()
    spoilt = tmp_path / "spoilt.csv"
    rows = zip(lines[1:], CLASSES, reporting, strict=True)
    changed = [line.replace(name, "wrong") if late else line for line, name, late in rows]
    spoilt.write_text("\n".join([lines[0], *changed]) + "\n")
    select(settings_of(tmp_path, spoilt), Archive(), numbers=(2, 3), progress=quiet)
    after = read_selection(output_of(config))
    assert (after.rows, after.recommended, after.reason) == (before.rows, before.recommended, before.reason)
    assert after.score != before.score


def test_labels_by_hand_score_what_was_chosen_and_the_tuning_half_as_the_truth_does(tmp_path, truth):
    band, starts = Archive.blocks[0].band, Archive().column("start_time")
    by_id = [f"{event_id(band, start)},{name},,," for start, name in zip(starts[::2], CLASSES[::2], strict=True)]
    rows = [line.split(",") for line in truth.read_text().split()[1:]]
    by_interval = [f",{name},{station},{begin},{end}" for station, name, begin, end in rows[1::2]]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["event_id,class,station,start_time,end_time", *by_id, *by_interval]) + "\n")
    by_truth, by_hand = settings_of(tmp_path / "a", truth), settings_of(tmp_path / "b", labels=labels)
    for config in (by_truth, by_hand):
        select(config, Archive(), numbers=(2, 3), progress=quiet)
    found = read_selection(output_of(by_hand))
    assert found == read_selection(output_of(by_truth))
    assert found.score["n"] > 0
    labels.write_text(labels.read_text().replace("beats", "high"))
    assert select(by_hand, Archive(), numbers=(2, 3), progress=quiet)
    assert read_selection(output_of(by_hand)).score != found.score


def test_where_both_label_an_event_the_truth_counts_as_in_the_catalog(tmp_path, truth):
    config = settings_of(tmp_path)
    known = read_truth(Location(str(truth)))
    mine = event_id(Archive.blocks[0].band, Archive().column("start_time")[0])
    other = event_id(Archive.blocks[0].band, Archive().column("start_time")[5])
    halves = LabelHalves.of(config, Archive(), known[:1], ({mine: "mine", other: "mine"}, []))
    assert halves.labels[:6] == ("low", None, None, None, None, "mine")
    with pytest.raises(ConfigError, match="not in this catalog"):
        LabelHalves.of(config, Archive(), [], ({"gone": "mine"}, []))


def test_halves_keep_an_hour_together_and_are_halves():
    times = np.repeat(np.arange(100) * HOUR_NS, 7) + np.tile(np.arange(7), 100)
    reporting = split_by_hour(times, seed=3)
    assert (reporting.reshape(100, 7) == reporting.reshape(100, 7)[:, :1]).all()
    assert reporting.mean() == pytest.approx(0.5)
    assert (reporting != split_by_hour(times, seed=4)).any()


def test_unlabelled_halves_have_no_score():
    halves = LabelHalves((None, None), np.array([True, False]))
    assert halves.final_score(np.zeros(2, np.int32)) is None
    assert halves.tuning_ari(np.zeros(2, np.int32)) is None


@pytest.mark.parametrize("text", ["14:2", "2", "1:5", "2:201", "a:b", "3:3", "2:4:6", "-2:4"])
def test_a_range_that_is_none_says_what_is_expected(text):
    with pytest.raises(ConfigError, match="like 2:14"):
        parse_range(text)


def test_a_range_holds_both_ends():
    assert parse_range("2:5") == (2, 3, 4, 5)


def test_too_few_events_say_where_to_end(tmp_path):
    with pytest.raises(TrainingError, match="end --select-k at 45"):
        select(settings_of(tmp_path), Archive(), numbers=range(2, 47), progress=quiet)
