"""Bring a model from elsewhere, and show what model there is."""

from pathlib import Path

import click

from couloir.commands.options import load, run_file_argument


@click.group()
def model() -> None:
    """Bring a model from elsewhere, and show what model there is."""


@model.command("import")
@click.argument("file", metavar="FILE")
@run_file_argument
@click.option(
    "--names", metavar="NAMES", help="What clusters are called: 0=earthquake,3=rockfall or a CSV of cluster,class."
)
@click.option(
    "--take-settings",
    is_flag=True,
    help="The weights were trained on spectrograms as the run file makes them, not on the published ones.",
)
@click.option(
    "--redo",
    is_flag=True,
    help="Replace another model, imported or trained, that the output holds; without it that is refused.",
)
def import_(
    file: str,
    run_file: Path,
    overrides: tuple[str, ...],
    *,
    names: str | None,
    take_settings: bool,
    redo: bool,
) -> None:
    """Make a model from elsewhere the run's: published weights, or the model of another output.

    Reads FILE, a path or a URL: weights of Keras 2, ending in .h5, or the folder `model` of another output, or the
    dec.keras in it. Writes OUTPUT/model. `couloir detect` and `couloir assign` then apply it, and `couloir run`
    does not train. Weights without cluster centres, of a pre-trained autoencoder, get theirs by k-means on the
    events of OUTPUT/spectrograms.zarr.
    """
    from couloir import jobs

    jobs.import_model(load(run_file, overrides), file, names=names, take_settings=take_settings, redo=redo)


@model.command()
@run_file_argument
def show(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Show where the model comes from, its clusters' names, and what spectrograms it takes.

    Reads OUTPUT/model. Writes to standard output only.
    """
    from couloir import jobs

    jobs.show_model(load(run_file, overrides))
