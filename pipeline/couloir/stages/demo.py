"""Prepare the demo: a synthetic archive with its truth, and a run file for it."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import yaml

from couloir.runfile import build
from couloir.store.location import Location
from couloir.synth import SynthSpec, write_archive

START = dt.date(2024, 3, 4)
"""A Monday: machinery works on weekdays."""


def prepare_demo(
    root: str, *, days: int, stations: int, workers: int, progress: Callable[[int, int], None]
) -> Path:
    """Write ``archive/`` under a folder or URL, and a run file.

    Parameters
    ----------
    root : str
        Folder or bucket prefix.
    days, stations : int
        Size of the archive.
    workers : int
        Processes that write it, and later detect in it.
    progress : callable
        Told station-days written and in all.

    Returns
    -------
    Path
        The run file: ``run.yaml`` in the folder, or ``demo.yaml`` in the working directory when that is no folder.
    """
    place = Location(root)
    folder = place.local_path
    archive = str(folder / "archive") if folder else str(place / "archive")
    output = str(folder / "output") if folder else str(place / "output")
    settings = {
        "preset": "small",
        "archive": {"url": archive, "start": START, "end": START + dt.timedelta(days=days)},
        "output": {"url": output},
        "catalog": {"truth": f"{archive}/truth.csv"},
        "compute": {"workers": workers},
    }
    build(settings)
    spec = SynthSpec(start=START, days=days, stations=stations)
    write_archive(archive, spec, progress=progress, workers=workers)
    run_file = folder / "run.yaml" if folder else Path("demo.yaml")
    head = f"# The demo's run file. Again, or with a change: couloir run {run_file}\n"
    run_file.write_text(head + yaml.safe_dump(settings, sort_keys=False))
    return run_file
