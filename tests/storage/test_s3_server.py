import subprocess
import sys

import fsspec
import pytest
import s3server


def test_what_couloirs_client_writes_the_aws_command_line_sees(s3, bucket):
    file_system = fsspec.filesystem("s3", **s3.options())
    file_system.pipe_file(f"{bucket}/a/b.txt", b"hello")
    assert s3.keys(bucket) == {"a/b.txt": 5}


def test_the_server_keeps_what_it_stored_when_it_is_killed(s3, bucket):
    file_system = fsspec.filesystem("s3", **s3.options())
    file_system.pipe_file(f"{bucket}/kept", b"kept")
    s3.kill()
    s3.start()
    assert s3.keys(bucket) == {"kept": 4}


def test_a_command_runs_with_the_server_in_its_environment(tmp_path):
    code = (
        "import fsspec; fsspec.filesystem('s3').pipe_file('demo/top/sub/x', bytes(2_000_000)); raise SystemExit(7)"
    )
    command = [sys.executable, s3server.__file__, "run", "--keep", str(tmp_path), "--", sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 7, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()[2:]]
    assert lines == [["top/sub/x", "1", "object", "2.0", "MB"], ["in", "all", "1", "object", "2.0", "MB"]]
    assert "kept" in result.stderr
    assert list(tmp_path.iterdir())


def test_anonymous_access_is_to_the_public_bucket_only(s3, bucket):
    s3.aws("s3api", "put-object", "--bucket", s3server.PUBLIC_BUCKET, "--key", "open")
    anonymous = fsspec.filesystem("s3", anon=True, **s3.options())
    assert f"{s3server.PUBLIC_BUCKET}/open" in anonymous.ls(s3server.PUBLIC_BUCKET)
    with pytest.raises(PermissionError):
        anonymous.ls(bucket)
