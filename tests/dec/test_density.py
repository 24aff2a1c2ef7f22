import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from couloir.dec.density import fit_mixture, log_density, principal, unseen_log_density


@pytest.fixture(scope="module")
def values():
    generator = np.random.default_rng(1)
    return (generator.normal(size=(300, 6)) * [5, 3, 2, 1, 0.5, 0.1] + 7).astype(np.float32)


@pytest.mark.parametrize("each", [True, False])
def test_components_are_scikit_learns(values, each):
    centre, basis = principal(values, 4, each=each)
    expected = PCA(4).fit(values)
    variance = expected.explained_variance_
    scaled = expected.transform(values) / np.sqrt(variance if each else variance.mean())
    np.testing.assert_allclose(np.abs((values - centre) @ basis), np.abs(scaled), atol=1e-3)


def test_what_does_not_vary_has_a_finite_scale():
    _, basis = principal(np.ones((5, 3), np.float32), 2, each=True)
    assert np.isfinite(basis).all()


def test_the_density_is_the_sum_of_the_gaussians(values):
    points = values[:, :2].astype(float)
    mixture = fit_mixture(points, gaussians=3, seed=0)
    parts = zip(mixture.weights_, mixture.means_, mixture.covariances_, strict=True)
    expected = np.log(sum(w * multivariate_normal(m, c).pdf(points) for w, m, c in parts))
    ours = log_density(points, mixture.weights_, mixture.means_, mixture.precisions_cholesky_)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_few_points_get_few_gaussians(values):
    counts = [len(fit_mixture(values[:n].astype(float), gaussians=4, seed=0).weights_) for n in (10, 60, 300)]
    assert counts == [1, 2, 4]


def test_unseen_points_are_as_dense_as_new_ones():
    generator = np.random.default_rng(2)
    points, new = generator.normal(size=(200, 20)), generator.normal(size=(4000, 20))
    mixture = fit_mixture(points, gaussians=1, seed=0)
    sparse = np.quantile(unseen_log_density(points, gaussians=1, seed=0), 0.1)
    assert 0.05 < np.mean(mixture.score_samples(new) < sparse) < 0.15
    assert np.mean(mixture.score_samples(new) < np.quantile(mixture.score_samples(points), 0.1)) > 0.2


@pytest.mark.parametrize("count", [2, 3, 5, 6, 11])
def test_any_number_of_points_is_judged(values, count):
    assert np.isfinite(unseen_log_density(values[:count].astype(float), gaussians=2, seed=0)).all()
