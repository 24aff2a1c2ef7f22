import numpy as np
import pytest

from couloir.dec.clustering import assigner_of, kl_divergence, target_distribution
from couloir.dec.renewal import Renewal, decide_stop, renew_targets


def renewal(changed, collapse=()):
    empty = np.zeros((0, 3), np.float32)
    return Renewal(targets=empty, labels=empty[:, 0].astype(np.int32), changed=changed, kl=0, collapse=collapse)


def test_renewal_assigns_every_sample_in_order(trained, samples):
    q = trained.model.predict_on_batch(samples.astype(np.float32))["q"]
    result = renew_targets(assigner_of(trained.model), samples)
    np.testing.assert_array_equal(result.labels, q.argmax(axis=1))
    np.testing.assert_allclose(result.targets, target_distribution(q), rtol=1e-3, atol=1e-6)
    assert result.kl == pytest.approx(kl_divergence(target_distribution(q), q), rel=1e-3)


def test_share_of_changed_labels_is_counted_against_the_previous_renewal(trained, samples):
    assigner = assigner_of(trained.model)
    first = renew_targets(assigner, samples)
    previous = first.labels.copy()
    previous[:9] = (previous[:9] + 1) % 3
    assert first.changed is None
    assert renew_targets(assigner, samples, previous=previous).changed == pytest.approx(9 / 96)


@pytest.mark.parametrize(
    ("iteration", "changed", "collapse", "reason"),
    [
        (0, None, (), None),
        (50, 0.02, (), None),
        (50, 0.01, (), None),
        (50, 0.009, (), "converged"),
        (50, 0.009, ("empty",), "collapsed"),
        (100, 0.5, (), "max_iterations"),
        (100, 0.0, (), "converged"),
    ],
)
def test_training_stops_when_labels_rest_or_iterations_are_used_up(settings, iteration, changed, collapse, reason):
    settings = settings.model_copy(update={"tolerance": 0.01, "max_iterations": 100})
    assert decide_stop(iteration, renewal(changed, collapse), settings) == reason


def test_no_iterations_at_all_may_be_asked_for(settings):
    none = settings.model_copy(update={"max_iterations": 0})
    assert decide_stop(0, renewal(None), none) == "max_iterations"


def test_targets_are_balanced_as_asked(trained, samples):
    assigner = assigner_of(trained.model)
    q = assigner.predict_on_batch(samples.astype(np.float32))
    plain = renew_targets(assigner, samples, balance=0.0).targets
    np.testing.assert_allclose(plain, target_distribution(q, balance=0.0), rtol=1e-3, atol=1e-6)
