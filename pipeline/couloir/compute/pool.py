"""Say what a pool of workers can do, whatever it runs on."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

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
        """Start a task as soon as a worker is free."""
        ...

    def submit_each(self, function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Handle]:
        """Start a task for each argument, which holds no handles; give their handles in order."""
        ...

    def wait(self, handles: Collection[Handle]) -> set[Handle]:
        """Wait until at least one task is done, well or not; give those that are."""
        ...

    def result(self, handle: Handle) -> Any:
        """Give a task's result, or raise what it raised."""
        ...

    def error(self, handle: Handle) -> BaseException | None:
        """Give what a finished task raised, without fetching its result; None when it went well."""
        ...

    def close(self) -> None:
        """Stop the workers."""
        ...
