"""Options that several commands have."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from couloir.config import RunConfig


def run_file_argument(command: Any) -> Any:
    """Take a run file, and settings that go before it."""
    option = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Change a setting, like --set detect.on_factor=10; goes before environment and run file.",
    )
    argument = click.argument("run_file", type=click.Path(path_type=Path), metavar="RUN_FILE")
    return argument(option(command))


def redo_option(*, also: str = "") -> "Callable[[Callable[..., Any]], Callable[..., Any]]":
    """Take leave to make again what other settings made; ``also`` says what becomes of an imported model."""
    told = f"Make again, in its place, what other settings made; without it that is refused. {also}"
    return click.option("--redo", is_flag=True, help=told.strip())


seeds_option = click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Train N times, from train.seed on; the output remembers it where the run file does not say train.seeds.",
)


def with_seeds(overrides: tuple[str, ...], seeds: int | None) -> tuple[str, ...]:
    """Put the number of seeds among the settings."""
    return overrides if seeds is None else (*overrides, f"train.seeds={seeds}")


def load(run_file: Path, overrides: tuple[str, ...]) -> "RunConfig":
    """Read the run file."""
    from couloir import runfile

    return runfile.load(run_file, overrides=overrides)
