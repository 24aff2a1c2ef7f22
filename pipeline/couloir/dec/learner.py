"""Say what a model that is trained here has to offer: outputs of a batch, and losses of the outputs."""

from collections.abc import Mapping

from couloir.dec.backend import Tensor, keras

ops = keras.ops


class Learner(keras.Model):  # type: ignore[misc]
    """Be trained by `couloir.dec.steps.StepRunner`.

    Attributes
    ----------
    loss_names
        What `measure` gives; ``loss`` is what is minimised.
    """

    loss_names: tuple[str, ...] = ("loss",)

    def measure(self, outputs: Mapping[str, Tensor], targets: Tensor | None) -> dict[str, Tensor]:
        """Give the losses, a number each, of what ``call`` gave for a batch, and of its targets, if any."""
        raise NotImplementedError


def mean_squared_error(outputs: Mapping[str, Tensor]) -> Tensor:
    """Give the mean squared difference between ``image`` and ``reconstruction``, in single precision."""
    return ops.mean(ops.square(outputs["image"] - ops.cast(outputs["reconstruction"], "float32")))
