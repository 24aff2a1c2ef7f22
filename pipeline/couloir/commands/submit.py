"""Submit a whole run to a cluster."""

import shlex
from pathlib import Path

import click

from couloir.commands.options import load, redo_option, run_file_argument, seeds_option, with_seeds

_dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print what would be submitted, and submit nothing."
)


@click.group()
def submit() -> None:
    """Run all of it on a cluster.

    Detection runs on many workers, then training on a GPU, then catalog and report; each waits for the one before.

    \b
    couloir submit slurm run.yaml --dry-run   see the scripts
    couloir submit slurm run.yaml             submit them
    couloir submit kubernetes run.yaml        submit to Kubernetes
    couloir status run.yaml                   see how far it is, from anywhere
    """  # noqa: D301 - \b is click's sign to leave the lines below it as they are


@submit.command()
@run_file_argument
@redo_option(also="An imported model is replaced, too.")
@seeds_option
@_dry_run_option
def slurm(run_file: Path, overrides: tuple[str, ...], *, redo: bool, seeds: int | None, dry_run: bool) -> None:
    """Submit a run to SLURM.

    compute.slurm of the run file describes the site. Reads the archive's listing. Writes scripts, settings and
    certificates to compute.slurm.folder, which the jobs write their logs to.
    """
    from couloir.stages.plan import plan
    from couloir.stages.submit import prepare
    from couloir.stages.submit import submit as submit_jobs
    from couloir.terminal import console

    config = load(run_file, with_seeds(overrides, seeds))
    with console.status("plan"):
        made = prepare(config, plan(config), name=run_file.stem, redo=redo)
    if dry_run:
        click.echo(made.text)
        return
    submit_jobs(made, tell=lambda stage, number: console.print(f"{stage}: job {number}"))
    look = shlex.join(["couloir", "status", str(made.folder.run_file)])
    click.echo(f"Scripts and logs: {made.folder.path}\nHow far it is:    {look}")


@submit.command()
@run_file_argument
@redo_option(also="An imported model is replaced, too.")
@seeds_option
@_dry_run_option
@click.option(
    "--unseen",
    is_flag=True,
    help="Look at neither archive nor output, which only the cluster reaches; compute.workers must be set.",
)
@click.option("--name", help="Begins the names of all objects; when not given, the run file's name and the time.")
def kubernetes(
    run_file: Path,
    overrides: tuple[str, ...],
    *,
    redo: bool,
    seeds: int | None,
    dry_run: bool,
    unseen: bool,
    name: str | None,
) -> None:
    """Submit a run to Kubernetes, as compute.kubernetes of the run file describes the cluster.

    Reads the archive's listing. Creates objects by kubectl: detection is a DaskJob of Dask's operator, which must
    be installed; training and report are jobs that have no pod until the stage before them is done.
    """
    from couloir.stages.submit_kubernetes import name_of, prepare
    from couloir.stages.submit_kubernetes import submit as submit_objects
    from couloir.terminal import console

    config = load(run_file, with_seeds(overrides, seeds))
    name = name_of(run_file.stem) if name is None else name
    with console.status("plan"):
        made = prepare(config, name=name, redo=redo, unseen=unseen)
    if dry_run:
        click.echo(made.text, nl=False)
        return
    submit_objects(made)
    for stage, job_name in made.run.jobs.items():
        console.print(f"{stage}: {'job' if stage != 'detect' else 'DaskJob'} {job_name}")
    look = shlex.join(["couloir", "status", str(run_file), *(f"--set={text}" for text in overrides)])
    click.echo(
        f"Its pods:      {made.run.kubectl('get pods')}\n"
        f"Its logs:      {made.run.kubectl('logs')} --prefix --tail=-1\n"
        f"How far it is: {look}{'' if made.seen else ', where its output is reached'}"
    )


@click.command(hidden=True)
@click.argument("job")
def release(job: str) -> None:
    """Let a job of Kubernetes begin that waits for this pod's stage."""
    from couloir.compute.release import release as release_job

    release_job(job)


@click.command("note-failure", hidden=True)
@click.argument("stage")
@run_file_argument
@click.argument("reason")
@click.option("--unbegun", is_flag=True, help="Only where the stage has not told that it begins.")
@click.pass_context
def note_failure(
    context: click.Context, stage: str, run_file: Path, overrides: tuple[str, ...], reason: str, *, unbegun: bool
) -> None:
    """Tell in the output that a stage's job has ended for good; for the job's own script.

    Exits with 1 where another run works on the stage, so that nothing is told.
    """
    from couloir.stages.settings import output_of
    from couloir.store.progress import note_failure as note

    if not note(output_of(load(run_file, overrides)), stage, reason, unbegun=unbegun):
        context.exit(1)
