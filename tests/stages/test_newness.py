"""What novelty rests on is kept and said; an imported model is calibrated on the archive it meets."""

import numpy as np
import pytest
from legacy import make_model, rows_of, write_weights
from scipy.stats import beta

from couloir.catalog.events import numpy_column, read_events
from couloir.identifiers import HOUR_NS
from couloir.stages import newness
from couloir.stages.assign import assign
from couloir.stages.catalog import catalog, has_catalog
from couloir.stages.importing import import_model
from couloir.stages.newness import Basis, newness_in_words, read_basis
from couloir.stages.settings import output_of

from .two_months import TRAIN, copy_of, detect_quietly, report_on, train_quietly, write_archive

RATE = 0.3
SPAN_NS = 3 * HOUR_NS


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    root = write_archive(tmp_path_factory.mktemp("newness") / "archive")
    return detect_quietly(root, root.parent / "output", catalog={"false_reject_rate": RATE})[0]


@pytest.fixture
def detected(base, tmp_path):
    return copy_of(base, tmp_path / "output")


@pytest.fixture
def imported(detected, tmp_path):
    """An output with a model from elsewhere, of whose events 8 of 20 are to be held out."""
    from couloir.config import TrainConfig

    config, archive = detected
    model = make_model((16, 16, 3), TrainConfig(**TRAIN))
    weights = write_weights(tmp_path / "weights.h5", rows_of(model))
    config = changed(config, holdout=0.4)
    import_model(config, str(weights), take_settings=True)
    return config, archive


def changed(config, **train):
    return config.model_copy(update={"train": config.train.model_copy(update=train)})


def place(config):
    return output_of(config) / "catalog"


def said(config):
    return (output_of(config) / "report" / "index.html").read_text()


def test_an_imported_model_is_calibrated_on_hours_of_the_archive(imported, monkeypatch):
    monkeypatch.setattr(newness, "FEWEST", 5)
    config, archive = imported
    assert assign(config, archive)
    assert read_basis(place(config)) == Basis("archive", 8, RATE)
    table = read_events(place(config))
    p, rejected = numpy_column(table, "novelty_p"), numpy_column(table, "rejected")
    np.testing.assert_allclose(p * 9, np.round(p * 9), atol=1e-5)  # of 8 held-out events
    assert (rejected == (p <= 1 / 9 + 1e-6)).all()
    np.testing.assert_array_equal(p[np.argsort(numpy_column(table, "novelty"))], np.sort(p)[::-1])
    assert report_on(config, archive)
    assert "like the others of this archive" in said(config)


def expect_calibrated_on_hours(config, archive):
    """Expect the p-values to be those by the events of the spans of time held out."""
    from couloir.dec.holdout import hold_out

    held = hold_out(len(archive), config.train, archive.column("onset_time") // SPAN_NS)[1]
    scores = numpy_column(read_events(place(config)), "novelty")
    p = numpy_column(read_events(place(config)), "novelty_p")
    at_least = (scores[held] >= scores[:, None] - 1e-6).sum(axis=1)
    np.testing.assert_allclose(p, (1 + at_least) / (len(held) + 1), rtol=1e-5)


def test_the_hours_held_out_are_those_of_training(imported, monkeypatch):
    from couloir.stages import train as training

    monkeypatch.setattr(newness, "FEWEST", 5)
    for module in (newness, training):  # the archive has one event an hour
        monkeypatch.setattr(module, "HOUR_NS", SPAN_NS)
    config, archive = imported
    assign(config, archive)
    expect_calibrated_on_hours(config, archive)
    train_quietly(config, archive, replace_imported=True)
    catalog(config, archive)
    assert read_basis(place(config)).against == "training"
    expect_calibrated_on_hours(config, archive)


def record_background(monkeypatch, module):
    """Record which events lend their noise."""
    asked = []
    monkeypatch.setattr(module, "make_background", lambda *_, among, **__: asked.append(among))
    return asked


def test_noise_of_hours_held_out_is_not_looked_at(imported, monkeypatch):
    from couloir.dec.holdout import hold_out
    from couloir.stages import train as training

    monkeypatch.setattr(newness, "FEWEST", 5)
    config, archive = imported
    by_import, by_training = (record_background(monkeypatch, module) for module in (newness, training))
    assign(config, archive)
    seeds = changed(config, seeds=(42, 7))
    train_quietly(seeds, archive, replace_imported=True)
    hours = archive.column("onset_time") // HOUR_NS
    fits = [hold_out(len(archive), seeds.train.of_seed(seed), hours)[0] for seed in (42, 7)]
    assert (fits[0] != fits[1]).any()
    for asked, fit in zip([*by_import, *by_training], [fits[0], *fits], strict=True):
        np.testing.assert_array_equal(asked, fit)


def test_another_seed_or_share_makes_the_catalog_of_an_imported_model_anew(imported):
    config, archive = imported
    assert assign(config, archive)
    assert has_catalog(config, archive)
    assert not has_catalog(changed(config, seed=7), archive)
    assert not has_catalog(changed(config, holdout=0.3), archive)
    assert has_catalog(changed(config, epochs=9), archive)


def test_an_imported_model_calibrated_otherwise_is_another_run(imported, monkeypatch):
    monkeypatch.setattr(newness, "FEWEST", 5)
    config, archive = imported
    tables = []
    for one in (config, changed(config, seed=7), changed(config, holdout=0.3), changed(config, epochs=9)):
        assign(one, archive)
        tables.append(read_events(place(one)))
    runs, scores = ([numpy_column(table, name)[0] for table in tables] for name in ("run_id", "novelty"))
    assert len(set(runs)) == len(set(scores)) == 3
    assert (runs[3], scores[3]) == (runs[0], scores[0])


def test_with_few_events_an_imported_model_rejects_nothing_and_says_so(imported):
    config, archive = imported
    assign(config, archive)
    table = read_events(place(config))
    assert read_basis(place(config)) == Basis("medians", 0, RATE)
    assert table["novelty_p"].null_count == len(table)
    assert not numpy_column(table, "rejected").any()
    report_on(config, archive)
    assert "none can be" in said(config)


def test_a_trained_model_is_measured_against_its_training(detected):
    config, archive = detected
    train_quietly(config, archive)
    catalog(config, archive)
    assert read_basis(place(config)) == Basis("training", 2, RATE)
    report_on(config, archive)
    assert "2 windows are held out" in said(config)


def test_a_training_that_held_nothing_out_gives_scores_and_no_p_value(detected):
    config, archive = detected
    config = changed(config, holdout=0)
    train_quietly(config, archive)
    catalog(config, archive)
    table = read_events(place(config))
    assert table["novelty_p"].null_count == len(table)
    assert table["novelty"].null_count == 0
    assert not numpy_column(table, "rejected").any()
    assert read_basis(place(config)) == Basis("training", 0, RATE)


def test_words_say_what_the_rate_is_worth():
    assert "events like those of the training about 5.0% or fewer" in newness_in_words(
        Basis("training", 200, 0.05), 3, 90
    )
    assert "3 of 90" in newness_in_words(Basis("archive", 200, 0.05), 3, 90)
    assert "none: catalog.false_reject_rate is 0" in newness_in_words(Basis("training", 200, 0.0), 0, 90)


@pytest.mark.parametrize("rate", [0.3, 0.05, 0.01])
def test_words_name_the_fewest_windows_with_which_one_can_be_rejected(rate):
    needed = next(n for n in range(1, 1000) if beta.cdf(rate, 1, n) >= 0.9)
    assert f"{needed} are needed" in newness_in_words(Basis("training", needed - 1, rate), 0, 90)
    assert "of class unknown" in newness_in_words(Basis("training", needed, rate), 0, 90)
