"""Keep the best of the states that a training passes through."""

from couloir.dec.backend import keras
from couloir.dec.checkpoint import State


class BestState:
    """Keep the weights of the best state offered: sound before collapsed, then the lower loss.

    Of equal states the later is kept.

    Parameters
    ----------
    model
        The model whose weights are kept and, at the end, restored.

    Attributes
    ----------
    iteration
        When the best state was offered.
    collapse
        What is wrong with it; empty when it is sound.
    """

    iteration: int
    collapse: tuple[str, ...]

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._rank: tuple[bool, float] | None = None

    def offer(self, iteration: int, *, loss: float, collapse: tuple[str, ...]) -> None:
        """Consider the model's present weights."""
        rank = (bool(collapse), loss)
        if self._rank is None or rank <= self._rank:
            self._rank = rank
            self._weights = self._model.get_weights()
            self.iteration, self.collapse = iteration, collapse

    def state(self) -> State:
        """Give what a checkpoint keeps; a state must have been offered."""
        return {
            "rank": self._rank,
            "weights": self._weights,
            "iteration": self.iteration,
            "collapse": self.collapse,
        }

    def resume(self, state: State) -> None:
        """Go on from what a checkpoint kept."""
        collapsed, loss = state["rank"]
        self._rank = (collapsed, loss)
        self._weights = state["weights"]
        self.iteration, self.collapse = state["iteration"], tuple(state["collapse"])

    def restore(self) -> None:
        """Give the model the best weights back."""
        self._model.set_weights(self._weights)
