"""Ask the backend about its accelerator: is there one, what memory is free, was an error for want of memory."""

import os
from functools import cache

from couloir.dec.backend import keras

_JAX_DETERMINISM = "--xla_gpu_deterministic_ops=true"
_OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")


def has_accelerator() -> bool:
    """Say whether the backend computes on a GPU or TPU, and not on the CPU."""
    name = keras.backend.backend()
    if name == "jax":
        import jax

        return str(jax.default_backend()) != "cpu"
    if name == "torch":
        import torch

        return bool(torch.cuda.is_available())
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def free_memory() -> int:
    """Give the accelerator's free memory, bytes; 0 where there is none or it does not say."""
    name = keras.backend.backend()
    if not has_accelerator():
        return 0
    if name == "jax":
        import jax

        known = jax.devices()[0].memory_stats() or {}
        return int(known.get("bytes_limit", 0) - known.get("bytes_in_use", 0))
    if name == "torch":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return _free_of_tensorflow()


def _free_of_tensorflow() -> int:
    """Give what TensorFlow, which takes nearly all memory when it starts, has not given away yet."""
    import tensorflow as tf

    return max(_limit_of_tensorflow() - int(tf.config.experimental.get_memory_info("GPU:0")["current"]), 0)


@cache
def _limit_of_tensorflow() -> int:
    """Ask once: to ask is to open the device anew."""
    from tensorflow.python.client import device_lib

    limits = [device.memory_limit for device in device_lib.list_local_devices() if device.device_type == "GPU"]
    return int(limits[0]) if limits else 0


def be_deterministic() -> None:
    """Let a GPU give the same bytes again for the same training; a CPU does so anyway.

    It must come before anything is computed, or looked for: JAX reads its flags when it opens the device. What it
    costs ``benchmarks/accelerator.py`` measures.
    """
    name = keras.backend.backend()
    if name == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        if _JAX_DETERMINISM not in flags:  # read when the first computation opens the device
            os.environ["XLA_FLAGS"] = f"{flags} {_JAX_DETERMINISM}".strip()
    elif has_accelerator() and name == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(mode=True)
    elif has_accelerator():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether a backend raised this because memory ran out, the accelerator's or this machine's."""
    if isinstance(error, MemoryError) or type(error).__name__ in _OUT_OF_MEMORY:
        return True
    return type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") and "RESOURCE_EXHAUSTED" in str(error)
