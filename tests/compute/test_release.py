"""A pod lets the next stage's job begin, by the token that it has and no more."""

import datetime as dt
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from couloir.cli import main
from couloir.compute.release import release
from couloir.errors import ClusterError


class Api(BaseHTTPRequestHandler):
    """Answer as Kubernetes does, with what the test has prepared, and remember what was asked."""

    def do_PATCH(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), json.loads(body)))
        code, answer = self.server.answers.pop(0)
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        """Say nothing."""


def certify(folder, address="127.0.0.1"):
    """Make a certificate of a server at an address, signed by itself, and give its two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    folder.mkdir()
    (folder / "crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(text)
    return folder / "crt", folder / "key"


@pytest.fixture
def api(tmp_path, monkeypatch):
    """Serve over TLS with the certificate that the pod's folder holds."""
    certificate, key = certify(tmp_path / "server")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.asked, server.answers = [], [(200, {})]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("the-token\n")
    (account / "namespace").write_text("seismology")
    (account / "ca.crt").write_text(certificate.read_text())
    server.account = account
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_address[1]))
    yield server
    server.shutdown()


def test_the_job_s_parallelism_becomes_one(api):
    release("demo-train", account=api.account)
    ((path, headers, body),) = api.asked
    assert path == "/apis/batch/v1/namespaces/seismology/jobs/demo-train"
    assert headers["Authorization"] == "Bearer the-token"
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert body == {"spec": {"parallelism": 1}}


def test_an_answer_that_it_is_busy_is_asked_again(api, monkeypatch):
    monkeypatch.setattr("couloir.compute.release._PAUSE_S", 0.01)
    api.answers = [(503, {}), (429, {}), (200, {})]
    release("demo-train", account=api.account)
    assert len(api.asked) == 3


def test_a_refusal_is_told_in_kubernetes_own_words_and_not_asked_again(api):
    api.answers = [(403, {"message": 'jobs.batch "other" is forbidden'})]
    with pytest.raises(ClusterError, match=r'does not let job other begin: jobs\.batch "other" is forbidden'):
        release("other", account=api.account)
    assert len(api.asked) == 1


def test_a_server_with_another_certificate_does_not_get_the_token(api, tmp_path):
    stranger, _ = certify(tmp_path / "stranger")
    (api.account / "ca.crt").write_text(stranger.read_text())
    with pytest.raises(ClusterError, match="certificate verify failed"):
        release("demo-train", account=api.account, patience_s=0)
    assert not api.asked


def test_a_server_with_the_certificate_of_another_address_does_not_get_the_token(api, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
    with pytest.raises(ClusterError, match="certificate verify failed"):
        release("demo-train", account=api.account, patience_s=0)
    assert not api.asked


def test_outside_of_a_pod_it_says_who_may_do_it(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    told = CliRunner().invoke(main, ["release", "demo-train"])
    assert told.exit_code == 1
    assert "can only be let begin by a pod that has the token" in told.stderr
