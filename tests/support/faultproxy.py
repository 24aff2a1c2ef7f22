"""A proxy on loopback between a client and a server of HTTP that can be told to do what networks do."""

import contextlib
import http.client
import random
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

HOPS = {"connection", "keep-alive", "expect", "transfer-encoding", "content-length"}
Kind = Literal["busy", "cut", "torn", "slow", "silent", "drip"]


@dataclass
class Fault:
    """What goes wrong, and with which requests.

    busy: `status` with an S3 error code; cut: the connection closes before an answer; torn: in the middle of the
    answer's body; slow: the answer comes `seconds` late; silent: it never comes; drip: its body comes one byte
    every `seconds`.
    """

    kind: Kind
    code: str = "SlowDown"
    status: int = 503
    every: int = 1
    """Of the requests that match, this many-th one."""
    share: float = 1.0
    """Chance of a request that matches, drawn with `seed`."""
    times: int | None = None
    """How often at most."""
    methods: tuple[str, ...] = ()
    path: str = ""
    """What the path must hold."""
    seconds: float = 1.0
    seed: int = 1
    _matched: int = field(default=0, init=False)
    _struck: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a test's dice

    def strikes(self, method: str, path: str) -> bool:
        if (self.methods and method not in self.methods) or self.path not in path:
            return False
        self._matched += 1
        if self.times is not None and self._struck >= self.times:
            return False
        struck = self._matched % self.every == 0 and self._random.random() < self.share
        self._struck += struck
        return struck


@dataclass(frozen=True)
class Seen:
    at: float
    method: str
    path: str
    struck: bool


class FaultProxy:
    """Pass requests on, with the Host as the client sent it: S3's signatures cover it."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.seen: list[Seen] = []
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._mended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def options(self, **more) -> dict:
        return {"endpoint_url": self.endpoint, **more}

    def fail(self, kind: Kind, **details) -> None:
        """Let requests go wrong from now on, and forget those seen."""
        with self._lock:
            self._fault, self._mended = Fault(kind, **details), threading.Event()
            self.seen = []

    def mend(self) -> None:
        """Pass everything on again; who still waits for an answer is cut off."""
        with self._lock:
            self._fault = None
            self._mended.set()

    def close(self) -> None:
        self.mend()
        self._server.shutdown()
        self._server.server_close()

    def count(self, *methods: str, path: str = "") -> int:
        """Count the requests seen since the last `fail`."""
        return sum((not methods or one.method in methods) and path in one.path for one in self.seen)

    def pauses(self) -> list[float]:
        """Give the seconds between one request and the next."""
        return [after.at - before.at for before, after in zip(self.seen, self.seen[1:], strict=False)]

    def judge(self, method: str, path: str) -> tuple[Fault | None, threading.Event]:
        with self._lock:
            struck = self._fault is not None and self._fault.strikes(method, path)
            self.seen.append(Seen(time.monotonic(), method, path, struck))
            return (self._fault if struck else None), self._mended


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: FaultProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the client has gone
            super().handle()

    def _pass(self) -> None:
        fault, mended = self.server.proxy.judge(self.command, self.path)
        kind = fault.kind if fault else ""
        if kind == "silent":
            mended.wait(120)
        if kind in ("silent", "cut"):
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if kind == "busy":
            self._refuse(fault.status, fault.code)
            return
        if kind == "slow":
            mended.wait(fault.seconds)
        status, reason, headers, answer = self._ask(body)
        self.send_response_only(status, reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if kind == "torn":
            self.wfile.write(answer[: len(answer) // 2])
            self.close_connection = True
        elif kind == "drip":
            for i in range(len(answer)):
                self.wfile.write(answer[i : i + 1])
                if mended.wait(fault.seconds):
                    break
            self.close_connection = True
        else:
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815 - http.server's names

    def _ask(self, body: bytes) -> tuple[int, str, list[tuple[str, str]], bytes]:
        server = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOPS:
                    server.putheader(name, value)
            if body or self.command in ("PUT", "POST"):
                server.putheader("Content-Length", str(len(body)))
            server.endheaders(body or None)
            answer = server.getresponse()
            data = answer.read()
        finally:
            server.close()
        length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOPS]
        return answer.status, answer.reason, [*headers, ("Content-Length", length)], data

    def _refuse(self, status: int, code: str) -> None:
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>Please try again later.'
        )
        text += "</Message><RequestId>0</RequestId></Error>"
        data = b"" if self.command == "HEAD" else text.encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
