"""Credentials come from the environment, a profile or the machine's role, and stay there."""

import datetime as dt
import http.server
import json
import pickle
import threading

import pytest
import s3server

from couloir.storage import Patience, explain, is_denied, open_place, persist

SHORT = Patience(total_s=2, attempt_s=15)


@pytest.fixture
def profiles(s3, tmp_path, monkeypatch):
    """Keep two pairs of keys in a file, and none in the environment."""
    lines = []
    for name, keys in (("writer", s3server.KEYS), ("reader", s3server.READ_ONLY_KEYS)):
        lines += [f"[{name}]", *(f"{key.lower()} = {value}" for key, value in keys.items())]
        for key in keys:
            monkeypatch.delenv(key, raising=False)
    (tmp_path / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_two_profiles_are_not_mixed_up(s3, profiles):
    name = s3server.READ_ONLY_BUCKET
    writer, path = open_place(f"s3://{name}/profiles", s3.options(profile="writer"))
    reader, _ = open_place(f"s3://{name}/profiles", s3.options(profile="reader"))
    for _ in range(2):
        persist(writer, "pipe_file", f"{path}/x", b"hello", patience=SHORT)
        assert persist(reader, "cat_file", f"{path}/x", patience=SHORT) == b"hello"
        with pytest.raises(PermissionError) as caught:
            persist(reader, "pipe_file", f"{path}/x", b"other", patience=SHORT)
        assert is_denied(caught.value)


def test_a_machines_role_is_asked(s3, bucket, monkeypatch):
    role = dict(zip(("AccessKeyId", "SecretAccessKey"), s3server.KEYS.values(), strict=True))
    role |= {"Token": "", "Expiration": f"{dt.datetime.now(dt.UTC) + dt.timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"}

    class Role(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = json.dumps(role).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Role) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in s3server.KEYS:
            monkeypatch.delenv(name)
        url = f"http://127.0.0.1:{server.server_address[1]}/role"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        file_system, path = open_place(f"s3://{bucket}", s3.options())
        persist(file_system, "pipe_file", f"{path}/x", b"hello", patience=SHORT)
        server.shutdown()
    assert s3.keys(bucket) == {"x": 5}


@pytest.mark.parametrize("how", ["environment", "profile"])
def test_a_file_system_holds_no_credentials(s3, bucket, profiles, monkeypatch, how):
    if how == "environment":
        for name, value in s3server.KEYS.items():
            monkeypatch.setenv(name, value)
    options = s3.options(profile="writer") if how == "profile" else s3.options()
    file_system, path = open_place(f"s3://{bucket}", options)
    persist(file_system, "pipe_file", f"{path}/x", b"hello", patience=SHORT)
    for text in (pickle.dumps(file_system), repr(file_system).encode(), file_system.to_json().encode()):
        for secret in s3server.KEYS.values():
            assert secret.encode() not in text


@pytest.mark.parametrize(
    "text",
    [
        "GET https://b.example/x?X-Amz-Credential=ID%2F2020&X-Amz-Signature=5ec4e7&X-Amz-Security-Token=5ec4e7",
        "url='https://b.example/x?AWSAccessKeyId=5ec4e7&Signature=5ec4e7&Expires=1'",
        "https://account.example/x?sv=2020&sig=5ec4e7%3D",
        "https://storage.example/x?GoogleAccessId=5ec4e7&X-Goog-Signature=5ec4e7",
        "cannot reach sftp://user:5ec4e7@host/x",
        "Credential=5ec4e7/20200101/us-east-1/s3/aws4_request, Signature=5ec4e7",
        "denied to held-key with held-secret\nand held-token",
    ],
)
def test_an_explanation_holds_no_credentials(monkeypatch, text):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "held-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "held-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "held-token")
    told = explain(OSError(text))
    assert "5ec4e7" not in told
    assert "held-" not in told
    assert "\n" not in told
    assert len(explain(OSError(text * 50))) < 400
