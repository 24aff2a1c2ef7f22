"""Prepare the demo: a synthetic archive with its truth, and a run file for it."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import yaml

from couloir.synth import SynthSpec, write_archive

START = dt.date(2024, 3, 4)
"""A Monday: machinery works on weekdays."""


def prepare_demo(
    root: Path, *, days: int, stations: int, workers: int, progress: Callable[[int, int], None]
) -> Path:
    """Write ``archive/`` and ``run.yaml`` under a folder.

    Parameters
    ----------
    root : Path
    days, stations : int
        Size of the archive.
    workers : int
        Processes that write it, and later detect in it.
    progress : callable
        Told station-days written and in all.

    Returns
    -------
    Path
        The run file.
    """
    spec = SynthSpec(start=START, days=days, stations=stations)
    truth = write_archive(str(root / "archive"), spec, progress=progress, workers=workers)
    settings = {
        "preset": "small",
        "archive": {"url": str(root / "archive"), "start": START, "end": START + dt.timedelta(days=days)},
        "output": {"url": str(root / "output")},
        "catalog": {"truth": truth},
        "compute": {"workers": workers},
    }
    run_file = root / "run.yaml"
    head = f"# The demo's run file. Again, or with a change: couloir run {run_file}\n"
    run_file.write_text(head + yaml.safe_dump(settings, sort_keys=False))
    return run_file
