import os
import shutil
import tempfile
from pathlib import Path

import pytest
import slurmsite


@pytest.fixture(scope="module")
def slurm():
    """Start a real SLURM of two nodes here."""
    if lacking := slurmsite.missing():
        pytest.skip(lacking)
    folder = Path(tempfile.mkdtemp(prefix="couloir-slurm-"))
    site = slurmsite.SlurmSite(folder)
    before = os.environ.get("SLURM_CONF")
    try:
        site.start()
        os.environ |= site.environment
        yield site
    finally:
        site.stop()
        os.environ.pop("SLURM_CONF", None)
        if before:
            os.environ["SLURM_CONF"] = before
        shutil.rmtree(folder, ignore_errors=True)
