"""Convolutions of stride 2 and their transposes, in whichever form, are Keras' own, and so are their gradients."""

import re

import keras
import numpy as np
import pytest

from couloir.dec import strided
from couloir.dec.networks import build_autoencoder

if keras.backend.backend() != "jax":
    pytest.skip("other backends compute Keras' own", allow_module_level=True)

import jax
import jax.numpy as jnp

PLAIN = {strided.Halving: keras.layers.Conv2D, strided.Doubling: keras.layers.Conv2DTranspose}


@pytest.fixture(params=[False, True], ids=["cpu", "gpu"])
def _place(request, monkeypatch):
    monkeypatch.setattr(strided, "has_accelerator", lambda: request.param)


def outputs_and_gradients(layer, images):
    def measure(weights, images):
        outputs, _ = layer.stateless_call(weights, [], images)
        return jnp.sum(jnp.sin(outputs)), outputs

    weights = [weight.value for weight in layer.trainable_variables]
    (_, outputs), gradients = jax.value_and_grad(measure, (0, 1), has_aux=True)(weights, images)
    return [outputs, *jax.tree.leaves(gradients)]


@pytest.mark.parametrize("ours", PLAIN)
@pytest.mark.parametrize(("kernel", "padding"), [(1, "same"), (2, "same"), (3, "same"), (5, "same"), (3, "valid")])
@pytest.mark.usefixtures("_place")
def test_outputs_and_gradients_are_those_of_keras(ours, kernel, padding):
    images = jnp.asarray(np.random.default_rng(0).normal(size=(3, 10, 12, 5)), jnp.float32)
    layer, plain = (
        kind(7, kernel, strides=2, padding=padding, activation="tanh", bias_initializer="normal")
        for kind in (ours, PLAIN[ours])
    )
    layer.build(images.shape)
    plain.build(images.shape)
    layer.set_weights(plain.get_weights())
    found, expected = outputs_and_gradients(layer, images), outputs_and_gradients(plain, images)
    for ours_is, keras_is in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours_is, keras_is, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("_place")
def test_no_gradient_moves_a_whole_picture_over_another_that_is_spread(settings, samples):
    model = build_autoencoder(samples.shape[1:], settings)
    weights = [weight.value for weight in model.trainable_variables]

    def measure(weights, images):
        return jnp.mean(jnp.square(model.stateless_call(weights, [], images)[0] - images))

    program = str(jax.make_jaxpr(jax.grad(measure))(weights, jnp.asarray(samples[:2], jnp.float32)))
    convolutions = re.findall(r"conv_general_dilated\[(.*?)\]", program, re.DOTALL)
    of_kernels = [one for one in convolutions if "lhs_spec=(3, 0, 1, 2)" in one]
    assert len(of_kernels) == 4
    assert not any("lhs_dilation=(2, 2)" in one for one in of_kernels)
