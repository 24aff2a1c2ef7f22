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


def test_anonymous_access_is_to_the_public_bucket_only(s3, bucket):
    s3.aws("s3api", "put-object", "--bucket", s3server.PUBLIC_BUCKET, "--key", "open")
    anonymous = fsspec.filesystem("s3", anon=True, **s3.options())
    assert anonymous.ls(s3server.PUBLIC_BUCKET) == [f"{s3server.PUBLIC_BUCKET}/open"]
    with pytest.raises(PermissionError):
        anonymous.ls(bucket)
