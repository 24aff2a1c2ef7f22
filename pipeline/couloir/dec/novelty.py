"""Tell how unlike everything trained on a spectrogram is, calibrated on samples held out of training.

Two questions, since what is new comes in two kinds. *Is it rare?* A class never seen lies where few of
the training's latent vectors lie, or is reconstructed wrongly in places where they are not: minus the log
density, under one Gaussian mixture fitted to the training's samples, of latent vector and residual (the
error of reconstruction field by field, with its sign). *Is it background?* Noise lies among the weakest
events, where the density is highest; but what noise looks like is known, so a logistic regression on
latent vector and log reconstruction error tells it from the training's events. Each answer becomes a
surprise, minus the log of the share of training samples that answer as strongly; their weighted
sum is the score.

The score of a sample is then compared with those of the n held-out samples: the conformal p-value
(1 + #{s_i >= s}) / (n + 1) is at most p with probability at most p for a sample drawn as they were,
whatever the model (Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world; Bates et
al. 2023, Testing for outliers with conformal p-values, Annals of Statistics 51, 149-178).
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from couloir.dec.density import fit_mixture, log_density, principal, unseen_log_density
from couloir.dec.seeds import make_generator
from couloir.errors import MissingStageError

NOVELTY = "novelty.npz"
DIMENSIONS = 16
"""Principal components of the latent vectors that are looked at, at most."""
RESIDUAL_DIMENSIONS = 32
"""Principal components of the residuals, at most; and at most one for ten samples."""
MOST = 10_000
"""Samples, at most, that the densities are fitted to."""
NOISE_WEIGHT = 0.75
"""Of the surprise at noise beside that at rareness: with 1 new classes are found worse, with 0.5 noise is."""
BODY = 0.9
"""Up to this quantile a surprise is counted; beyond it an exponential tail goes on without end."""
ASSURED = 0.9
"""Probability, over the draw of independent held-out samples, that the false-reject rate is kept."""
_ROUNDING = 1e-9
"""Scores that lie closer are one score: sums depend on the processor and on how many samples come together."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Verdict:
    """Hold how new each of N samples is: score, conformal p-value and whether it is rejected, (N,) each."""

    score: NDArray[np.float32]
    p: NDArray[np.float32]
    rejected: NDArray[np.bool_]


def without_calibration(score: NDArray[np.float32]) -> Verdict:
    """Judge by a score (N,) that nothing is known of: no p-value (NaN), and nothing rejected."""
    return Verdict(score, np.full(len(score), np.nan, np.float32), np.zeros(len(score), bool))


@dataclass(frozen=True, eq=False)
class Novelty:
    """Hold a fitted score and its calibration; arrays only, so that they travel with the model.

    Attributes
    ----------
    centre, basis
        (D,) and (D, P): latent vectors less ``centre``, times ``basis``, are uncorrelated.
    residual_centre, residual_basis
        (R,) and (R, S): the same of the residuals, all of variance 1.
    error_scale
        (2,): mean and standard deviation of the log reconstruction error.
    weights, means, precisions
        (G,), (G, P + S), (G, P + S, P + S): the mixture; Cholesky factors of the precisions.
    noise
        Intercept and coefficients of the logistic regression on all products of two; empty where no
        background was known: then the log error alone tells noise.
    rare_body, noise_body
        Quantiles 0 to ``BODY`` of the two answers on the training's samples, and the mean excess over the last;
        of the first, each sample is judged by a mixture that was fitted without it.
    calibration
        (n,) scores of the held-out samples, rising.
    """

    centre: Floats
    basis: Floats
    residual_centre: Floats
    residual_basis: Floats
    error_scale: Floats
    weights: Floats
    means: Floats
    precisions: Floats
    noise: Floats
    rare_body: Floats
    noise_body: Floats
    calibration: Floats

    def score(
        self, latent: NDArray[np.float32], error: NDArray[np.float32], residual: NDArray[np.float32]
    ) -> Floats:
        """Give the score (N,) of latent vectors (N, D), errors (N,) and residuals (N, R); larger is newer."""
        rare, noise = self.rareness(latent, residual), self.likeness_to_noise(latent, error)
        return _surprise(rare, self.rare_body) + NOISE_WEIGHT * _surprise(noise, self.noise_body)

    def p_values(self, scores: Floats) -> Floats:
        """Give the conformal p-value (N,) of scores (N,), between 1 / (n + 1) and 1.

        A held-out sample ties with itself, also where its score was computed twice and differs by rounding.
        """
        n = len(self.calibration)
        return np.asarray((1 + n - np.searchsorted(self.calibration, scores - _ROUNDING, side="left")) / (n + 1))

    def threshold(self, rate: float) -> float:
        """Give the p-value up to which samples are rejected: k / (n + 1), or 0 where nothing can be.

        Given the held-out samples, the share of known samples at or under k / (n + 1) follows Beta(k,
        n + 1 - k) (Vovk 2012, Conditional validity of inductive conformal predictors). k is the largest
        for which it is at most ``rate`` with probability ``ASSURED``: of independent samples the rate is kept
        not only in the mean over all archives, but in nine of ten. Windows of one source vary together, so
        that with them it is kept in fewer, while the mean still lies below ``rate``. For 5 % at least 45
        held-out samples are needed.
        """
        n = len(self.calibration)
        k = np.arange(1, n + 1)
        kept = beta.cdf(rate, k, n + 1 - k) >= ASSURED
        return float(np.count_nonzero(kept) / (n + 1))

    def judge(
        self,
        latent: NDArray[np.float32],
        error: NDArray[np.float32],
        residual: NDArray[np.float32],
        *,
        rate: float,
    ) -> Verdict:
        """Score samples and reject those too new, of known ones at most the share ``rate`` by mistake.

        Without calibration, of a training that held nothing out, there are scores only.
        """
        scores = self.score(latent, error, residual)
        if not len(self.calibration):
            return without_calibration(scores.astype(np.float32))
        p = self.p_values(scores)
        return Verdict(scores.astype(np.float32), p.astype(np.float32), p <= self.threshold(rate))

    def calibrated(
        self, latent: NDArray[np.float32], error: NDArray[np.float32], residual: NDArray[np.float32]
    ) -> "Novelty":
        """Give the same score, calibrated on the latent vectors, errors and residuals of held-out samples."""
        return replace(self, calibration=np.sort(self.score(latent, error, residual)))

    def rareness(self, latent: NDArray[np.float32], residual: NDArray[np.float32]) -> Floats:
        """Answer (N,) how rare samples are: minus the log density of latent vector and residual."""
        places = np.column_stack([self._reduce(latent), (residual - self.residual_centre) @ self.residual_basis])
        return -log_density(places, self.weights, self.means, self.precisions)

    def likeness_to_noise(self, latent: NDArray[np.float32], error: NDArray[np.float32]) -> Floats:
        """Answer (N,) how like noise samples are: log odds, or the log error where no background was known."""
        log_error: Floats = (_log(error) - self.error_scale[0]) / self.error_scale[1]
        if not len(self.noise):
            return log_error
        return np.asarray(self.noise[0] + _products(self._reduce(latent), log_error) @ self.noise[1:])

    def _reduce(self, latent: NDArray[np.float32]) -> Floats:
        return np.asarray((latent.astype(np.float64) - self.centre) @ self.basis)


def fit_novelty(
    latent: NDArray[np.float32],
    error: NDArray[np.float32],
    residual: NDArray[np.float32],
    *,
    clusters: int,
    seed: int,
    background: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Novelty:
    """Fit the score to the training's samples; it is not calibrated yet.

    Parameters
    ----------
    latent, error, residual
        Latent vectors (N, D), mean squared reconstruction errors (N,) and residuals (N, R) of the training's
        samples, as an `Assignment` holds them.
    clusters
        K; the mixture has as many Gaussians, fewer where samples are few.
    seed
        The run's seed.
    background
        Latent vectors, errors and residuals of windows known to be noise.
    """
    if len(latent) > MOST:
        some = np.sort(make_generator(seed, "novelty").choice(len(latent), MOST, replace=False))
        latent, error, residual = latent[some], error[some], residual[some]
    with threadpool_limits(limits=1):  # as for k-means: the same bytes with any number of threads
        centre, basis = principal(latent, DIMENSIONS, each=False)
        most = max(1, min(RESIDUAL_DIMENSIONS, len(residual) // 10))
        residual_centre, residual_basis = principal(residual, most, each=True)
        reduced = (latent - centre) @ basis
        places = np.column_stack([reduced, (residual - residual_centre) @ residual_basis])
        mixture = fit_mixture(places, gaussians=clusters, seed=seed)
        unseen = unseen_log_density(places, gaussians=clusters, seed=seed)
    logs = _log(error)
    scale = np.array([logs.mean(), logs.std() or 1.0])
    fitted = Novelty(
        centre=centre,
        basis=basis,
        residual_centre=residual_centre,
        residual_basis=residual_basis,
        error_scale=scale,
        weights=mixture.weights_,
        means=mixture.means_,
        precisions=mixture.precisions_cholesky_,
        noise=np.empty(0),
        rare_body=np.empty(0),
        noise_body=np.empty(0),
        calibration=np.empty(0),
    )
    if background is not None and len(background[0]):
        known = _products((background[0] - centre) @ basis, (_log(background[1]) - scale[0]) / scale[1])
        fitted = replace(fitted, noise=_tell_apart(_products(reduced, (logs - scale[0]) / scale[1]), known))
    noise = fitted.likeness_to_noise(latent, error)
    return replace(fitted, rare_body=_body(-unseen), noise_body=_body(noise))


def save_novelty(novelty: Novelty, path: Path) -> None:
    """Write the score and its calibration, the same bytes for the same score."""
    np.savez(path, allow_pickle=False, **asdict(novelty))


def load_novelty(path: Path) -> Novelty:
    """Read what `save_novelty` wrote.

    Raises
    ------
    MissingStageError
        When it is not there, or is none.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            return Novelty(**{name: held[name] for name in Novelty.__dataclass_fields__})
    except (OSError, ValueError, KeyError) as error:
        raise MissingStageError(
            f"{path} holds no calibration of novelty ({type(error).__name__}). "
            "Train again with: couloir train --redo."
        ) from error


def _products(reduced: Floats, log_error: Floats) -> Floats:
    """Give all values and all products of two of the components and the log error, row by row."""
    values = np.column_stack([reduced, log_error])
    first, second = np.triu_indices(values.shape[1])
    return np.column_stack([values, values[:, first] * values[:, second]])


def _tell_apart(events: Floats, background: Floats) -> Floats:
    """Fit a logistic regression that weighs both sides the same; give its intercept and coefficients."""
    from sklearn.linear_model import LogisticRegression

    both = np.concatenate([events, background])
    is_background = np.arange(len(both)) >= len(events)
    fitted = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    with threadpool_limits(limits=1):
        fitted.fit(both, is_background)
    return np.concatenate([fitted.intercept_, fitted.coef_[0]])


def _body(answers: Floats) -> Floats:
    """Give the quantiles of answers in hundredths up to ``BODY``, and the mean excess over the last."""
    quantiles = np.quantile(answers, np.arange(round(BODY * 100) + 1) / 100)
    over = answers[answers > quantiles[-1]] - quantiles[-1]
    return np.append(quantiles, max(float(over.mean()) if len(over) else 0.0, 1e-6))


def _surprise(answers: Floats, body: Floats) -> Floats:
    """Give minus the log of the share of training samples that answer as strongly."""
    quantiles, excess = body[:-1], body[-1]
    share = 1 - np.interp(answers, quantiles, np.arange(len(quantiles)) / 100)
    return np.asarray(-np.log(share) + np.maximum(answers - quantiles[-1], 0) / excess)


def _log(error: NDArray[np.float32]) -> Floats:
    return np.log(np.maximum(error.astype(np.float64), 1e-12))
