"""What all tests share: where real recordings lie, and settings that keep runs short."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

settings.register_profile("couloir", deadline=None, derandomize=True)
settings.load_profile("couloir")
for _name in [name for name in os.environ if name.startswith("COULOIR_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def shared_data():
    """Give the path of a folder of real recordings, or skip the test where it is not."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"real recordings are missing: ../shared/data/{name}")
        return path

    return find
