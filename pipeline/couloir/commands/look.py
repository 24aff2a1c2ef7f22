"""Look at what a run has left, and whether it is sound."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from couloir.commands.options import load, run_file_argument
from couloir.errors import DamagedError, StageFailedError

if TYPE_CHECKING:
    from couloir.config import RunConfig
    from couloir.stages.status import RunStatus

EVERY_S = 5.0
"""Time between two looks of `status --watch`, s."""


@click.command()
@run_file_argument
@click.option("--watch", is_flag=True, help=f"Look again every {EVERY_S:.0f} s, until the run has ended.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(run_file: Path, overrides: tuple[str, ...], *, watch: bool, form: str) -> None:
    """Say how far each stage is, at what rate, what failed, who works on it and where, and when it will end.

    Reads OUTPUT only, from any machine. Writes to standard output only. Exit code 3 when a stage has failed or
    died, or more station-days failed than allowed.
    """
    from couloir.stages.outcomes import archive_path
    from couloir.stages.status import read_status
    from couloir.terminal import out

    if watch and form == "json":
        raise click.UsageError("--watch goes with the table, not with --format json")
    config = load(run_file, overrides)
    if watch:
        found = _watch(config)
    else:
        found = read_status(config)
        if form == "json":
            click.echo(json.dumps(found.as_document(), indent=1))
        else:
            from couloir.commands.status_view import view

            out.print(view(found, archive_path(config)))
    if not found.in_order:
        raise StageFailedError(found.trouble)


def _watch(config: "RunConfig") -> "RunStatus":
    """Show a run's status anew until it has ended; where there is no terminal, only the last."""
    from rich.live import Live

    from couloir.commands.status_view import view
    from couloir.stages.outcomes import archive_path
    from couloir.stages.status import read_status
    from couloir.terminal import out

    archive = archive_path(config)
    found = read_status(config)
    with Live(view(found, archive), console=out, auto_refresh=False) as live:
        while not found.ended:
            time.sleep(EVERY_S)
            found = read_status(config)
            live.update(view(found, archive), refresh=True)
    return found


@click.command()
@run_file_argument
def verify(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Read the whole output again, and say what is not as it was written.

    Reads OUTPUT, every byte. Writes nothing. Exit code 1 when anything is damaged.
    """
    from couloir.stages.verify import verify as verify_output
    from couloir.terminal import progress_bar, show_verified

    config = load(run_file, overrides)
    with progress_bar() as bar:
        task = bar.add_task("verify", total=None, note="")
        found = verify_output(config, progress=lambda done, total: bar.update(task, completed=done, total=total))
    show_verified(found)
    if found.problems:
        raise DamagedError(
            f"{len(found.problems)} problems in {config.output.url}. Remove the damaged month's folder in "
            "spectrograms.zarr, or model, catalog or report, and run again: only that is made anew."
        )


@click.command()
@run_file_argument
@click.option("--status", metavar="NAMES", help="Only these, like --status unreadable,failed.")
@click.option("--all", "everything", is_flag=True, help="Those that are ok, too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="csv and json hold remarks, bytes and seconds as well.",
)
def outcomes(
    run_file: Path,
    overrides: tuple[str, ...],
    *,
    status: str | None,
    everything: bool,
    form: str,
) -> None:
    """List what became of the station-days: those refused, and why.

    Reads OUTPUT/outcomes. Writes to standard output only. The exit code is that of `couloir detect`.
    """
    from couloir.stages.outcomes import archive_path, choose, recorded_outcomes, write_csv, write_json
    from couloir.stages.run import check_failures
    from couloir.terminal import show_refused

    config = load(run_file, overrides)
    found = recorded_outcomes(config)
    chosen = choose(found, statuses=status, everything=everything)
    if form == "table":
        show_refused(chosen, found, archive_path(config))
    else:
        {"csv": write_csv, "json": write_json}[form](chosen, sys.stdout)
    check_failures(config, found)
