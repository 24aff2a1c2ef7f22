"""What all tests share: where real recordings lie, and settings that keep runs short."""

import os
import tempfile
import uuid
from pathlib import Path

import faultproxy
import fsspec
import pytest
import s3server
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


@pytest.fixture(scope="session")
def s3_server():
    """Start a real S3 server on loopback, once a test process; its keys are in no environment yet."""
    if lacking := s3server.missing():
        pytest.skip(lacking)
    server = s3server.S3Server(Path(tempfile.mkdtemp(prefix="couloir-s3-"))).start()
    try:
        server.make_bucket(s3server.PUBLIC_BUCKET)
        server.make_bucket(s3server.READ_ONLY_BUCKET)
        yield server
    finally:
        server.close()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Give the S3 server with its keys in the environment, as a user has them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3server.KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # keys are looked for there, too, and the wait is long
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # who has read the environment keeps what it found
    return s3_server


@pytest.fixture
def proxy(s3):
    """Put a proxy before the S3 server that can be told to fail."""
    between = faultproxy.FaultProxy(s3.ports[0])
    yield between
    between.close()


@pytest.fixture
def bucket(s3):
    """Give the name of a new, empty bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(name)
    return name
