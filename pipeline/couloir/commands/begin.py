"""Begin: a run file, a synthetic archive, a demonstration of the whole."""

import os

import click

from couloir.commands.options import load


@click.command()
@click.option("--archive", default="/path/to/sds", show_default=True, help="Folder or URL of the recordings.")
@click.option("--output", default="couloir-output", show_default=True, help="Folder or URL for the results.")
@click.option("--select", default="*.*.*.*", show_default=True, help="Channels, like GG.*.10.EH?")
@click.option("--start", default="2020-01-01", show_default=True, help="First UTC day.")
@click.option("--end", default="2021-01-01", show_default=True, help="The day after the last UTC day.")
def init(**values: str) -> None:
    """Write a commented run file to standard output.

    Reads nothing. Settings that are commented out show their defaults, the published method.
    """
    from couloir.runfile import loads, template

    text = template(**values)
    loads(text)
    click.echo(text, nl=False)


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--start", default="2024-03-04", show_default=True, help="First UTC day.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1), help="Length, days.")
@click.option("--stations", default=4, show_default=True, type=click.IntRange(1), help="Number of stations.")
@click.option("--activity", default=1.0, show_default=True, help="Multiplies how many events there are.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same archive.")
@click.option("--workers", default=None, type=click.IntRange(1), help="Processes; as many as cores by default.")
def synth(
    folder: str, start: str, days: int, stations: int, activity: float, seed: int, workers: int | None
) -> None:
    """Write a synthetic archive whose events are known.

    Reads nothing. Writes an SDS tree and truth.csv to FOLDER, a path or a URL.
    """
    import datetime as dt

    from couloir.errors import ConfigError
    from couloir.synth import SynthSpec, write_archive
    from couloir.terminal import progress_bar

    try:
        first = dt.date.fromisoformat(start)
    except ValueError as error:
        raise ConfigError(f"--start {start}: expected a date like 2024-03-04") from error
    spec = SynthSpec(start=first, days=days, stations=stations, activity=activity, seed=seed)
    with progress_bar() as bar:
        task = bar.add_task("synthesise", total=days * stations, note="")
        truth = write_archive(
            folder,
            spec,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            workers=workers or os.cpu_count() or 1,
        )
    click.echo(truth)


@click.command()
@click.argument("folder", default="demo-output", metavar="[FOLDER]")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1), help="Length, days.")
@click.option("--stations", default=4, show_default=True, type=click.IntRange(1), help="Number of stations.")
@click.option("--workers", default=None, type=click.IntRange(1), help="Processes; as many as cores by default.")
def demo(folder: str, days: int, stations: int, workers: int | None) -> None:
    """Run the whole job on a synthetic archive, in a few minutes.

    Reads nothing. Writes FOLDER: the archive, its truth, run.yaml, and the run's output. FOLDER may be a URL, like
    s3://bucket/prefix; the run file is then demo.yaml in the working directory. AWS_ENDPOINT_URL names a server
    that is not Amazon's.
    """
    from couloir.jobs import run_all
    from couloir.stages.demo import prepare_demo
    from couloir.terminal import progress_bar

    with progress_bar() as bar:
        task = bar.add_task("synthesise", total=days * stations, note="")
        run_file = prepare_demo(
            folder,
            days=days,
            stations=stations,
            workers=workers or os.cpu_count() or 1,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    click.echo(f"Settings: {run_file}", err=True)
    run_all(load(run_file, ()))
