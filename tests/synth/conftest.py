import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pytest

from couloir.synth import SynthSpec, write_archive
from couloir.synth.geometry import Site, make_site

WEDNESDAY = dt.date(2024, 3, 6)


@dataclass(frozen=True)
class Written:
    root: Path
    spec: SynthSpec
    truth: Path


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Written:
    """One Wednesday of two stations with the default classes and rates."""
    root = tmp_path_factory.mktemp("synth")
    spec = SynthSpec(WEDNESDAY, 1, stations=2, seed=1)
    return Written(root, spec, Path(write_archive(str(root), spec)))


@pytest.fixture(scope="session")
def site() -> Site:
    return make_site(1, 0)
