"""Name the layers that every autoencoder has, and draw their first weights."""

from couloir.config import TrainConfig
from couloir.dec.backend import keras
from couloir.dec.seeds import derive_seed

LATENT = "latent"
RECONSTRUCTION = "reconstruction"


def initializer(settings: TrainConfig, layer: str) -> keras.Initializer:
    """Give what draws a layer's first weights, each layer's from its own stream.

    ``glorot`` draws from a uniform distribution within (6 / (inputs + outputs))^0.5 (Glorot and Bengio
    2010, eq. 16), ``fan_in`` within (1 / inputs)^0.5 (LeCun et al. 1998, section 4.6, times 3^-0.5), as
    DEC-keras does for MNIST.

    Parameters
    ----------
    settings
        ``initializer`` and ``seed`` are used.
    layer
        The layer's name.
    """
    seed = derive_seed(settings.seed, f"weights of {layer}")
    if settings.initializer == "fan_in":
        return keras.initializers.VarianceScaling(scale=1 / 3, mode="fan_in", distribution="uniform", seed=seed)
    return keras.initializers.GlorotUniform(seed=seed)
