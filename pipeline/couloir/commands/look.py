"""Look at what a run has left, and whether it is sound."""

import sys
from pathlib import Path

import click

from couloir.commands.options import load, run_file_argument
from couloir.errors import DamagedError


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
