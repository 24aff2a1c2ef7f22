import numpy as np
import pytest
from scipy.stats import beta, norm
from sklearn.metrics import roc_auc_score

from couloir.dec.assign import assign, load_model
from couloir.dec.novelty import fit_novelty, load_novelty, save_novelty
from couloir.errors import MissingStageError

CENTRES = np.array([[0, 0, 0, 0], [8, 0, 0, 0], [0, 8, 0, 0]], float)


def draw(generator, count):
    """Draw three clusters; residuals vary along two of six directions."""
    latent = CENTRES[generator.integers(3, size=count)] + generator.normal(size=(count, 4))
    error = np.exp(generator.normal(-0.5, 0.1, count))
    residual = generator.normal(size=(count, 6)) * [3, 1, 0.1, 0.1, 0.1, 0.1]
    return latent.astype(np.float32), error.astype(np.float32), residual.astype(np.float32)


def noise(generator, count):
    """Lie in the midst of a cluster, and be a little harder to rebuild: what no density finds."""
    latent, _, residual = draw(generator, count)
    error = np.exp(generator.normal(-0.3, 0.03, count))
    return 0.3 * (latent - latent.mean(axis=0)), error.astype(np.float32), 0.3 * residual


def auc(known, new):
    return roc_auc_score(np.arange(len(known) + len(new)) >= len(known), np.concatenate([known, new]))


@pytest.fixture(scope="module")
def fitted():
    generator = np.random.default_rng(1)
    return fit_novelty(*draw(generator, 600), clusters=3, seed=0, background=noise(generator, 200))


@pytest.fixture(scope="module")
def novelty(fitted):
    return fitted.calibrated(*draw(np.random.default_rng(2), 300))


def test_both_kinds_of_new_are_found(novelty):
    generator = np.random.default_rng(3)
    known = novelty.score(*draw(generator, 500))
    strange = draw(generator, 500)
    strange = (strange[0] + np.float32([0, 0, 5, 0]), *strange[1:])
    assert auc(known, novelty.score(*strange)) > 0.95
    assert auc(known, novelty.score(*noise(generator, 500))) > 0.9


def test_an_error_where_there_was_none_is_new_though_it_is_as_large(novelty):
    generator = np.random.default_rng(9)
    latent, error, residual = draw(generator, 500)
    moved = residual[:, [2, 3, 4, 5, 0, 1]]
    assert auc(novelty.score(latent, error, residual), novelty.score(latent, error, moved)) > 0.95


def test_a_held_out_sample_ties_with_itself_however_its_score_is_rounded(novelty):
    held = novelty.calibration
    expected = np.arange(300, 0, -1) / 301 + 1 / 301
    for rounding in (-1e-12, 0, 1e-12):
        np.testing.assert_allclose(novelty.p_values(held + rounding), expected, rtol=1e-12)


def test_p_values_count_held_out_scores_at_least_as_large(novelty):
    scores = novelty.score(*draw(np.random.default_rng(4), 50))
    scores = np.concatenate([scores, novelty.calibration[[0, 150, 299]], [np.inf]])
    counted = [(1 + (novelty.calibration >= s).sum()) / 301 for s in scores]
    np.testing.assert_allclose(novelty.p_values(scores), counted, rtol=1e-12)


@pytest.mark.parametrize(("n", "rate"), [(44, 0.05), (45, 0.05), (300, 0.05), (300, 0.01), (5000, 0.1)])
def test_the_threshold_is_the_largest_that_keeps_the_rate_in_nine_of_ten_archives(novelty, n, rate):
    object.__setattr__(fresh := type(novelty)(**vars(novelty)), "calibration", np.arange(n, dtype=float))
    k = round(fresh.threshold(rate) * (n + 1))
    assert k == 0 or beta.cdf(rate, k, n + 1 - k) >= 0.9
    assert beta.cdf(rate, k + 1, n - k) < 0.9
    assert (k == 0) == (n == 44)


def test_known_samples_are_rejected_no_oftener_than_stated(fitted):
    rejected = []
    for seed in range(200):
        generator = np.random.default_rng(100 + seed)
        verdict = fitted.calibrated(*draw(generator, 200)).judge(*draw(generator, 400), rate=0.05)
        rejected.append(verdict.rejected.mean())
    assert 0.02 < np.mean(rejected) < 0.04  # k is 6 of 201
    assert np.mean(np.array(rejected) > 0.05) < 0.2


@pytest.mark.parametrize(("windows", "kept"), [(1, 0.93), (4, 0.81), (8, 0.72)])
def test_with_several_windows_a_source_the_mean_rate_is_kept_and_fewer_archives_keep_it(novelty, windows, kept):
    """Scores are normal, those of one source with correlation 0.8, so that rates are known exactly."""
    generator, rates = np.random.default_rng(6), []
    object.__setattr__(fresh := type(novelty)(**vars(novelty)), "calibration", np.arange(220.0))
    k = round(fresh.threshold(0.05) * 221)
    for _ in range(4000):
        common = generator.normal(size=-(-220 // windows)).repeat(windows)[:220]
        each = generator.normal(size=220)
        scores = each if windows == 1 else np.sqrt(0.8) * common + np.sqrt(0.2) * each
        rates.append(norm.sf(np.sort(scores)[-k]))
    assert np.mean(rates) < 0.05
    assert np.mean(np.array(rates) <= 0.05) == pytest.approx(kept, abs=0.025)


def test_without_held_out_samples_nothing_is_rejected(fitted):
    verdict = fitted.judge(*noise(np.random.default_rng(5), 20), rate=0.05)
    assert np.isnan(verdict.p).all()
    assert np.isfinite(verdict.score).all()
    assert not verdict.rejected.any()


def test_scores_beyond_all_seen_still_tell_apart(novelty):
    far = np.float32([[0, 0, 20, 0], [0, 0, 40, 0], [0, 0, 80, 0]])
    assert (np.diff(novelty.score(far, np.full(3, 0.6, np.float32), np.zeros((3, 6), np.float32))) > 0).all()


def test_without_background_a_large_error_is_new():
    generator = np.random.default_rng(7)
    plain = fit_novelty(*draw(generator, 600), clusters=3, seed=0)
    latent, error, residual = draw(generator, 200)
    stronger = error * np.float32(1.5)
    assert auc(plain.score(latent, error, residual), plain.score(latent, stronger, residual)) > 0.9


def test_it_travels_in_a_file_of_the_same_bytes(novelty, tmp_path):
    save_novelty(novelty, tmp_path / "a.npz")
    save_novelty(load_novelty(tmp_path / "a.npz"), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    points = draw(np.random.default_rng(8), 10)
    np.testing.assert_array_equal(load_novelty(tmp_path / "b.npz").score(*points), novelty.score(*points))


def test_a_missing_calibration_says_what_to_do(tmp_path):
    with pytest.raises(MissingStageError, match=r"novelty\.npz .* couloir train --redo"):
        load_novelty(tmp_path / "novelty.npz")


def test_training_leaves_the_score_beside_the_model(trained, folder, samples):
    novelty = load_novelty(folder / "novelty.npz")
    assert len(novelty.calibration) == 9  # a tenth of 96
    said = assign(load_model(folder / "dec.keras"), samples)
    assert np.isin(np.round(novelty.calibration, 3), np.round(novelty.score(*said.place), 3)).all()
