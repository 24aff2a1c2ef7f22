"""Halve and double pictures by convolutions of stride 2, on each backend in the form that is fast there."""

from importlib import import_module
from typing import Any

from couloir.dec.accelerator import has_accelerator
from couloir.dec.backend import Tensor, keras

ops = keras.ops


def _of_jax() -> Any:
    """Give the JAX forms, or None on another backend: those differentiate and run Keras' own well."""
    return import_module("couloir.dec.loops.on_jax_strided") if keras.backend.backend() == "jax" else None


def _is_folded(kernel: int, padding: str) -> bool:
    """Say whether 2 x 2 pixels are to be taken as one."""
    return has_accelerator() and padding == "same" and kernel > 1


@keras.saving.register_keras_serializable(package="couloir")
class Halving(keras.layers.Conv2D):  # type: ignore[misc]
    """Convolve with stride 2: from (n, F, T, C) to (n, F / 2, T / 2, filters); under ``same`` F and T are even."""

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolve, without bias and activation."""
        jax = _of_jax()
        if jax is None or not _is_folded(self.kernel_size[0], self.padding):
            return super().convolution_op(inputs, kernel)
        return jax.convolve(inputs, ops.convert_to_tensor(kernel))


@keras.saving.register_keras_serializable(package="couloir")
class Doubling(keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """Transpose what `Halving` does: from (n, F, T, C) to (n, 2 F, 2 T, filters) under ``same``."""

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve, add the bias and apply the activation."""
        jax = _of_jax()
        if jax is None:
            return super().call(inputs)
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        if _is_folded(self.kernel_size[0], self.padding):
            return self.activation(jax.spread(inputs, kernel, bias))
        size = self.compute_output_shape(inputs.shape)[1:3]
        return self.activation(jax.transpose(inputs, kernel, size, self.padding) + bias)
