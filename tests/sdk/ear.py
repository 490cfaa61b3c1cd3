"""A door in the test's own process: real HTTP, and the gateway's own check of what comes in."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from wfmonitor.v1.request_pb2 import RequestRecord, TokenBurst

from services.gateway.refusal import Refusal
from services.gateway.tokens import bursts_of, read_told, requests_of

TOKEN = "t" * 43


class EarDoor:
    """`with EarDoor() as door:` listens; `status` is what it answers with."""

    def __init__(self, port: int = 0) -> None:
        self.heard = threading.Condition()
        self.bodies: list[bytes] = []
        self.bursts: list[TokenBurst] = []
        self.records: list[RequestRecord] = []
        self.events: list[dict[str, Any]] = []
        self.dropped = 0
        self.connections = 0
        self.refusals: list[Refusal] = []
        self.status = 200
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer in two packets would wait for the other end's delayed acknowledgement.
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                door.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = door.status if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401
                said = b"{}"
                if status == 200:
                    try:
                        door.take(self.path, body)
                    except Refusal as refusal:
                        door.refusals.append(refusal)
                        status, said = refusal.status, json.dumps(refusal.body()).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def take(self, path: str, body: bytes) -> None:
        now_us, boot_us = time.time_ns() // 1000, time.monotonic_ns() // 1000
        with self.heard:
            self.bodies.append(body)
            if path == "/api/v1/ingest":
                self.events += json.loads(body)
            else:
                told = read_told(body)
                self.bursts += bursts_of(told, now_us, boot_us)
                self.records += requests_of(told, now_us, boot_us)
                self.dropped += told.dropped
            self.heard.notify_all()

    def wait_for(self, seen: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        with self.heard:
            assert self.heard.wait_for(seen, timeout_s), f"waited for {what}; refused: {self.refusals}"

    def tokens(self) -> int:
        return sum(sum(burst.tokens) for burst in self.bursts)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
