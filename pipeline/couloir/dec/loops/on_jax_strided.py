"""Convolutions of stride 2, and their transposes, in the form in which XLA is fast.

XLA differentiates a transposed convolution by its kernel as a convolution whose window is the whole picture: of
the published network that was 47 of 51 ms a step on a GPU, and more than half of a step on a CPU. Here it is the
gradient of the convolution whose transpose it is.

On a GPU each 2 x 2 pixels become one of four times the channels: what had stride 2 has stride 1 then, and half the
kernel (Shi et al. 2016, Is the deconvolution layer the same as a convolutional layer?, arXiv:1609.07009). The
products are the same, and their sums but for rounding.
"""

from typing import Any

import jax
import jax.numpy as jnp

from couloir.dec.backend import Tensor

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_TOGETHER = 8
"""Channels are filled up to a multiple of this by zeros, since cuDNN would copy everything to do so."""

Pads = tuple[int, int]


def pads_of(kernel: int, padding: str) -> Pads:
    """Give what Keras pads an even length with, before and after, under a kernel of stride 2."""
    total = max(kernel - 2, 0) if padding == "same" else 0
    return total // 2, total - total // 2


def convolve(images: Tensor, kernel: Tensor) -> Tensor:
    """Convolve images (n, 2 h, 2 w, C) by a kernel (k, k, C, D), k > 1, to (n, h, w, D), padding ``same``."""
    folded, pads = _fold(kernel)
    return _stride_one(_to_channels(images), folded, pads)


def spread(images: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Undo the shape of `convolve`: from (n, h, w, D) by (k, k, C, D) to (n, 2 h, 2 w, C), and add a bias (C,)."""
    folded, (before, after) = _fold(kernel)
    turned = folded[::-1, ::-1].swapaxes(2, 3)
    return _to_pixels(_stride_one(images, turned, (after, before)) + jnp.tile(bias, 4))


def _fold(kernel: Tensor) -> tuple[Tensor, Pads]:
    """Give the kernel (m, m, 4 C, D) that acts on `_to_channels` as (k, k, C, D) on images, and its padding."""
    size, _, channels, filters = kernel.shape
    before, _ = pads_of(size, "same")
    first = before % 2
    half = (first + size + 1) // 2
    rim = (first, 2 * half - first - size)
    whole = jnp.pad(kernel, [rim, rim, (0, 0), (0, 0)]).reshape(half, 2, half, 2, channels, filters)
    leading = (before + first) // 2
    return whole.swapaxes(1, 2).reshape(half, half, 4 * channels, filters), (leading, half - 1 - leading)


def _stride_one(images: Tensor, kernel: Tensor, pads: Pads) -> Tensor:
    channels, filters = kernel.shape[2:]
    more, spare = -channels % _TOGETHER, -filters % _TOGETHER
    images = jnp.pad(images, [(0, 0)] * 3 + [(0, more)])
    kernel = jnp.pad(kernel, [(0, 0), (0, 0), (0, more), (0, spare)])
    return _convolve(images, kernel, 1, (pads, pads))[..., :filters]


def _to_channels(images: Tensor) -> Tensor:
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height // 2, 2, width // 2, 2, channels)
    return blocks.swapaxes(2, 3).reshape(count, height // 2, width // 2, 4 * channels)


def _to_pixels(images: Tensor) -> Tensor:
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height, width, 2, 2, channels // 4)
    return blocks.swapaxes(2, 3).reshape(count, 2 * height, 2 * width, channels // 4)


def _convolve(images: Tensor, kernel: Tensor, stride: int, pads: tuple[Pads, Pads]) -> Tensor:
    return jax.lax.conv_general_dilated(images, kernel, (stride, stride), pads, dimension_numbers=_DIMENSIONS)


def transpose(images: Tensor, kernel: Tensor, size: tuple[int, int], padding: str) -> Tensor:
    """Apply the transpose of a convolution of stride 2, with its kernel's gradient as said above.

    Parameters
    ----------
    images
        (n, h, w, D).
    kernel
        (k, k, C, D).
    size
        (H, W) of the result, (n, H, W, C).
    padding
        ``same`` or ``valid``, of the convolution.
    """
    pads = pads_of(kernel.shape[0], padding), pads_of(kernel.shape[1], padding)
    shape = jax.ShapeDtypeStruct((len(images), *size, kernel.shape[2]), images.dtype)

    def plain(images: Tensor, kernel: Tensor) -> Tensor:
        (result,) = jax.linear_transpose(lambda wide: _convolve(wide, kernel, 2, pads), shape)(images)
        return result

    def forward(images: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        return plain(images, kernel), (images, kernel)

    def backward(known: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        images, kernel = known
        (of_kernel,) = jax.linear_transpose(lambda kernel: _convolve(slope, kernel, 2, pads), kernel)(images)
        return _convolve(slope, kernel, 2, pads), of_kernel

    apply = jax.custom_vjp(plain)
    apply.defvjp(forward, backward)
    return apply(images, kernel)
