import numpy as np
import pytest

from couloir.config import TrainConfig
from couloir.dec.networks import build_autoencoder, decoder_of, encoder_of
from couloir.errors import TrainingError


@pytest.fixture(scope="module")
def luhu():
    return build_autoencoder((128, 128, 3), TrainConfig())


def test_default_autoencoder_has_the_published_number_of_parameters(luhu):
    assert luhu.count_params() == 449_035


def test_default_encoder_and_decoder_have_the_published_numbers_of_parameters(luhu):
    assert encoder_of(luhu).count_params() == 223_036
    assert decoder_of(luhu).count_params() == 225_999


@pytest.mark.parametrize(
    ("shape", "filters", "latent"),
    [((128, 128, 3), (8, 16, 24, 32), 16), ((64, 32, 1), (5,), 2), ((24, 16, 2), (4, 6, 8), 3)],
)
def test_latent_and_reconstruction_have_the_shapes_asked_for(shape, filters, latent):
    model = build_autoencoder(shape, TrainConfig(filters=filters, latent=latent))
    images = np.zeros((2, *shape), np.float32)
    assert encoder_of(model).predict_on_batch(images).shape == (2, latent)
    assert model.predict_on_batch(images).shape == (2, *shape)


def test_encoder_then_decoder_is_the_autoencoder(settings, samples):
    model = build_autoencoder(samples.shape[1:], settings)
    images = samples[:4].astype(np.float32)
    through = decoder_of(model).predict_on_batch(encoder_of(model).predict_on_batch(images))
    np.testing.assert_allclose(through, model.predict_on_batch(images), atol=1e-5)


def test_reconstruction_and_latent_are_linear_and_the_rest_is_relu(luhu):
    with_activation = {
        layer.name: layer.activation.__name__ for layer in luhu.layers if hasattr(layer, "activation")
    }
    linear = {name for name, activation in with_activation.items() if activation == "linear"}
    assert linear == {"latent", "reconstruction"}
    assert set(with_activation.values()) == {"linear", "relu"}


def test_same_seed_gives_the_same_first_weights_and_another_seed_others(settings):
    first, again, other = (
        build_autoencoder((16, 16, 1), settings.model_copy(update={"seed": seed})).get_weights()
        for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_layers_of_the_same_shape_start_with_different_weights():
    model = build_autoencoder((16, 16, 4), TrainConfig(filters=(4, 4)))
    one, two = (model.get_layer(name).get_weights()[0] for name in ("encoder_1", "encoder_2"))
    assert not np.array_equal(one, two)


def test_a_shape_that_cannot_be_halved_is_refused_with_the_multiple_needed():
    with pytest.raises(TrainingError, match=r"100 frequencies x 128 times.*multiples of 16"):
        build_autoencoder((100, 128, 3), TrainConfig())
