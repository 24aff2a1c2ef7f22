"""Say what a pool of workers can do, whatever it runs on."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from couloir.compute.turns import Ahead

Handle = Any
"""What stands for a task's result while it is made; belongs to the pool that gave it."""


class Pool(Protocol):
    """Run tasks and tell when they are done.

    A task is a function of picklable values. A handle among its arguments, or in a list of them, becomes that
    task's result where the task runs: results travel between workers, not through the process that submits.
    """

    workers: int
    """How many tasks run at once."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Handle:
        """Start a task before those that wait."""
        ...

    def submit_each(self, function: Callable[[Any, Any], Any], arguments: Sequence[Ahead]) -> list[Handle]:
        """Start a task for each argument, which holds no handles; give their handles in order.

        Each argument fetches what it needs beside the work of other tasks; the function gets it and that.
        """
        ...

    def wait(self, handles: Collection[Handle], *, timeout_s: float) -> set[Handle]:
        """Wait until at least one task is done, well or not; give those that are, or none after the time."""
        ...

    def give_up(self, handles: Collection[Handle]) -> set[Handle]:
        """End the tasks that do not come to an end by themselves; give those that were ended."""
        ...

    def result(self, handle: Handle) -> Any:
        """Give a task's result, or raise what it raised."""
        ...

    def error(self, handle: Handle) -> BaseException | None:
        """Give what a finished task raised, without fetching its result; None when it went well."""
        ...

    def close(self, *, at_once: bool = False) -> None:
        """Stop the workers; at once, whatever they do, or when they have ended their tasks."""
        ...
