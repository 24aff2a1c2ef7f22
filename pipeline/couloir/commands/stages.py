"""The stages of a run, one by one and all at once."""

import os
from pathlib import Path

import click

from couloir.commands.options import load, redo_option, run_file_argument, seeds_option, with_seeds


@click.command()
@run_file_argument
def plan(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Show what exists, what is missing and what a run would cost.

    Reads the archive's listing only. Writes nothing.
    """
    from couloir.stages.plan import plan as make_plan
    from couloir.terminal import show_plan

    config = load(run_file, overrides)
    show_plan(make_plan(config), config.compute.workers or os.cpu_count() or 1)


@click.command()
@run_file_argument
@redo_option()
def detect(run_file: Path, overrides: tuple[str, ...], *, redo: bool) -> None:
    """Find transients and store their spectrograms.

    Reads the archive. Writes OUTPUT/spectrograms.zarr and OUTPUT/outcomes; months that are complete and of the
    same settings are left as they are.
    """
    from couloir import jobs
    from couloir.compute import joined
    from couloir.stages.run import check_failures
    from couloir.terminal import show_cost

    config = load(run_file, overrides)
    with joined(config.compute) as compute, jobs.job(config, redo=redo, detects=True) as job:
        outcomes = jobs.detect(job, compute)
        show_cost(outcomes)
        check_failures(config, outcomes)


@click.command()
@run_file_argument
@redo_option(also="Also train in the place of an imported model.")
@seeds_option
@click.option(
    "--select-k",
    metavar="LOW:HIGH",
    help="Train no model: pre-train the autoencoder once, and compare these numbers of clusters on it, like 2:14.",
)
@click.option(
    "--refine",
    type=click.IntRange(1),
    metavar="N",
    help="With --select-k: also train network and clusters together for N batches, twice for each number.",
)
def train(
    run_file: Path,
    overrides: tuple[str, ...],
    *,
    redo: bool,
    seeds: int | None,
    select_k: str | None,
    refine: int | None,
) -> None:
    """Train the autoencoder and its clustering layer.

    Reads OUTPUT/spectrograms.zarr. Writes OUTPUT/model, or with --select-k OUTPUT/select-k.
    """
    from couloir import jobs

    if refine is not None and select_k is None:
        raise click.UsageError("--refine goes with --select-k")
    if select_k is not None and (seeds is not None or redo):
        option = "--redo" if redo else "--seeds"
        raise click.UsageError(f"{option} does not go together with --select-k, which leaves the model as it is")
    config = load(run_file, with_seeds(overrides, seeds))
    if select_k is None:
        with jobs.job(config, redo=redo) as job:
            jobs.train(job, replace_imported=redo)
    else:
        with jobs.job(config, trains=False) as job:
            jobs.select(job, select_k, refine)


@click.command()
@run_file_argument
def catalog(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Assign every event to a cluster and write the tables.

    Reads OUTPUT/spectrograms.zarr and OUTPUT/model. Writes OUTPUT/catalog: Parquet, events.csv, clusters.csv.
    """
    from couloir import jobs

    config = load(run_file, overrides)
    with jobs.job(config) as job:
        jobs.catalog(job)
    jobs.show_results(config, reported=False)


@click.command()
@run_file_argument
def assign(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Apply the model that is there to every event, without training.

    For new months after archive.end was moved on and `couloir detect` has run, and for an imported model.
    Reads OUTPUT/spectrograms.zarr and OUTPUT/model, whatever that was trained on. Writes OUTPUT/catalog and
    OUTPUT/report, and says how the events compare with those of the training.
    """
    from couloir import jobs

    config = load(run_file, overrides)
    with jobs.job(config) as job:
        jobs.assign(job)
        jobs.report(job)
    jobs.show_results(config)


@click.command()
@run_file_argument
def report(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Make the page to look at.

    Reads OUTPUT/spectrograms.zarr, OUTPUT/model, OUTPUT/catalog and OUTPUT/outcomes. Writes
    OUTPUT/report/index.html.
    """
    from couloir import jobs
    from couloir.stages.run import places

    config = load(run_file, overrides)
    with jobs.job(config) as job:
        jobs.report(job)
    click.echo(places(config).report)


@click.command()
@run_file_argument
@redo_option(also="An imported model stays: `couloir train --redo` replaces it.")
@seeds_option
def run(run_file: Path, overrides: tuple[str, ...], *, redo: bool, seeds: int | None) -> None:
    """Do all of it: detect, train, catalog, report.

    Reads the archive. Writes OUTPUT. What an earlier run has done with the same settings is not done again.
    """
    from couloir.jobs import run_all

    run_all(load(run_file, with_seeds(overrides, seeds)), redo=redo)
