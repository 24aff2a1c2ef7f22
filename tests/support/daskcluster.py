"""A Dask cluster of processes on loopback that is there before a run is, as a site or Kubernetes has one."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from s3server import free_ports

from couloir.compute.tls import make_certificate


@contextmanager
def dask_cluster(folder: Path, *, workers: int = 2, tls: bool = True, first_worker: tuple[str, ...] = ()):
    """Start scheduler and workers as their command lines do, and give their settings of `compute`."""
    port = free_ports(1)[0]
    protocol = "tls" if tls else "tcp"
    address = f"{protocol}://127.0.0.1:{port}"
    secure = []
    if tls:
        make_certificate(folder / "tls")
        pem, key = str(folder / "tls" / "tls.pem"), str(folder / "tls" / "tls.key")
        secure = ["--tls-ca-file", pem, "--tls-cert", pem, "--tls-key", key]
    quiet = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    scheduler = ["scheduler", "--host", f"{protocol}://127.0.0.1", "--port", str(port), *quiet, *secure]
    worker = ["worker", address, "--nthreads", "4", "--memory-limit", "1GB", *quiet, *secure]
    logs = [(folder / f"{number}.log").open("wb") for number in range(1 + workers)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}  # where the tests' tasks are
    processes = []
    try:
        commands = [scheduler, *([*worker, *(() if number else first_worker)] for number in range(workers))]
        for command, log in zip(commands, logs, strict=True):
            whole = [sys.executable, "-m", "dask", *command]
            processes.append(subprocess.Popen(whole, stdout=log, stderr=log, cwd=folder, env=environment))
        _wait_for(port)
        settings = {"kind": "dask", "scheduler": address, "workers": workers}
        yield settings | ({"tls": str(folder / "tls")} if tls else {})
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
        for log in logs:
            log.close()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    raise TimeoutError("no Dask scheduler came up")
