import keras
import numpy as np
import pytest
from scipy import ndimage

from couloir.config import AugmentConfig
from couloir.dec import augment as changes
from couloir.dec.augment import Augmenter

EVERYTHING = AugmentConfig(
    rotation=10,
    shift=0.1,
    zoom=0.1,
    time_shift=0.1,
    gain=0.2,
    noise=0.3,
    drop_component=0.3,
    time_mask=0.2,
    frequency_mask=0.2,
)


@pytest.fixture
def images():
    return np.random.default_rng(3).normal(size=(40, 12, 20, 3)).astype(np.float32)


def still(count, **changes):
    zeros = {name: np.zeros(count) for name in ("angle", "rows", "columns")}
    return zeros | {"scale": np.ones(count)} | changes


def augment(settings, seed=1, purpose="pretrain"):
    change = Augmenter(settings, seed=seed, purpose=purpose)

    def apply(images):
        return tuple(map(keras.ops.convert_to_numpy, change(images, training=True)))

    apply.idle = change.idle
    return apply


def transform(images, **draws):
    tensors = {name: value.astype(np.float32) for name, value in draws.items()}
    return keras.ops.convert_to_numpy(changes.transform(images, **tensors))


def move(images, settings):
    return keras.ops.convert_to_numpy(
        changes.move(keras.ops.convert_to_tensor(images), settings, keras.random.SeedGenerator(0))
    )


def spoil(images, settings):
    return keras.ops.convert_to_numpy(
        changes.spoil(keras.ops.convert_to_tensor(images), settings, keras.random.SeedGenerator(0))
    )


def test_no_change_is_the_identity_and_is_idle(images):
    plain = augment(AugmentConfig())
    spoilt, moved = plain(images)
    assert plain.idle
    assert not augment(EVERYTHING).idle
    np.testing.assert_array_equal(spoilt, images)
    np.testing.assert_array_equal(moved, images)
    np.testing.assert_array_equal(transform(images, **still(40)), images)


@pytest.mark.parametrize("name", AugmentConfig.model_fields)
def test_every_setting_alone_changes_samples_and_keeps_their_shape_and_type(images, name):
    spoilt, moved = augment(AugmentConfig(**{name: 0.5 if name != "rotation" else 30}))(images)
    for changed in (spoilt, moved):
        assert (changed.shape, changed.dtype) == (images.shape, np.float32)
    assert not np.array_equal(spoilt, images)
    moves = name in ("rotation", "shift", "zoom", "time_shift", "gain")
    assert np.array_equal(moved, images) != moves
    assert np.array_equal(moved, spoilt) == moves


def test_same_seed_gives_the_same_samples_and_each_step_others(images):
    once, again = augment(EVERYTHING), augment(EVERYTHING)
    (first, _), (second, _) = once(images), once(images)
    np.testing.assert_array_equal(first, again(images)[0])
    for other in (
        second,
        augment(EVERYTHING, seed=2)(images)[0],
        augment(EVERYTHING, purpose="cluster")(images)[0],
    ):
        assert not np.array_equal(first, other)


def test_whole_shifts_move_pixels_and_repeat_the_edge(images):
    moved = transform(images, **still(40, rows=np.full(40, 2.0), columns=np.full(40, -3.0)))
    np.testing.assert_allclose(moved[:, 2:, :-3], images[:, :-2, 3:], atol=1e-6)
    np.testing.assert_allclose(moved[:, 0, :-3], images[:, 0, 3:], atol=1e-6)
    np.testing.assert_allclose(moved[:, 5, -1], images[:, 3, -1], atol=1e-6)


def test_a_quarter_turn_is_numpys(images):
    square = images[:, :, :12]
    turned = transform(square, **still(40, angle=np.full(40, np.pi / 2)))
    np.testing.assert_allclose(turned, np.rot90(square, axes=(1, 2)), atol=1e-5)


def test_rotation_zoom_and_shift_are_scipys_affine_transform(images):
    angle, scale, rows, columns = 0.3, 1.2, 0.7, -1.4
    draws = {"angle": angle, "scale": scale, "rows": rows, "columns": columns}
    changed = transform(images, **{name: np.full(40, value) for name, value in draws.items()})
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    centre = np.array([5.5, 9.5])
    offset = centre - matrix @ (centre + np.array([rows, columns]))
    for number, component in ((0, 0), (7, 2)):
        plane = images[number, :, :, component]
        expected = ndimage.affine_transform(plane, matrix, offset, order=1, mode="nearest")
        np.testing.assert_allclose(changed[number, :, :, component], expected, atol=1e-5)


def test_a_time_shift_leaves_frequencies_alone(images):
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32)[None, :, None, None], images.shape)
    moved = move(ramp, AugmentConfig(time_shift=0.4))
    np.testing.assert_allclose(moved, ramp, atol=1e-5)


def test_shifts_and_gains_stay_within_their_bounds_and_reach_them():
    ramp = np.broadcast_to(np.arange(100, dtype=np.float32)[None, None, :, None], (500, 1, 100, 1))
    shifts = 50 - move(ramp, AugmentConfig(time_shift=0.1))[:, 0, 50, 0]
    gains = move(np.ones((500, 1, 1, 2), np.float32), AugmentConfig(gain=0.2))
    assert 9.5 < np.abs(shifts).max() <= 10
    assert shifts.min() < -9.5
    assert (gains.min(), gains.max()) == (pytest.approx(0.8, abs=0.01), pytest.approx(1.2, abs=0.01))
    assert not np.array_equal(gains[..., 0], gains[..., 1])


def test_noise_has_the_standard_deviation_asked_for(images):
    noise = spoil(images, AugmentConfig(noise=0.3)) - images
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.01)


def test_components_drop_at_random_but_never_all(images):
    zeros = spoil(images, AugmentConfig(drop_component=1)) == 0
    dropped = zeros.all(axis=(1, 2))
    assert (dropped.sum(axis=1) == 2).all()
    assert dropped.mean(axis=0).min() > 0.4
    assert (zeros == dropped[:, None, None, :]).all()


@pytest.mark.parametrize(("name", "axis", "longest"), [("time_mask", 2, 10), ("frequency_mask", 1, 6)])
def test_a_mask_is_one_stripe_of_zeros_no_longer_than_asked_for(images, name, axis, longest):
    zeros = spoil(images, AugmentConfig(**{name: 0.5})) == 0
    other = tuple({1, 2, 3} - {axis})
    stripes = zeros.all(axis=other)
    assert (zeros == np.expand_dims(stripes, other)).all()
    assert stripes.sum(axis=1).max() == longest
    assert stripes.sum(axis=1).min() == 0
    edges = np.abs(np.diff(np.pad(stripes, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1)
    assert set(edges) == {0, 2}
