"""A stand-in for a model runtime: a real HTTP server with recorded answers, that keeps every request it got.

It has what no test machine has at hand: eight runtimes in several versions, asleep, loading, slow or broken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from services.collector.runtime.door import Door

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


@dataclass
class Page:
    """One answer."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    """Answers only when this is set."""


class StandIn:
    """Serves pages by path, and fails the test at its end where a request was one that disturbs."""

    def __init__(
        self, pages: dict[str, Page | bytes], disturbs: Callable[[str, dict[str, str]], bool], port: int = 0
    ) -> None:
        self.pages = {path: page if isinstance(page, Page) else Page(page) for path, page in pages.items()}
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._disturbs = disturbs
        self._disturbed: list[str] = []
        self._came = threading.Condition()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in._answer(self)

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        assert not self._disturbed, f"looking disturbed the runtime: {self._disturbed}"

    def close(self) -> None:
        """The runtime ends: its port refuses from now on."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def door(self) -> Door:
        return Door(self.port)

    def paths(self) -> list[str]:
        """What was asked since the last call."""
        asked, self.asked = self.asked, []
        return asked

    def wait_for(self, path: str) -> None:
        """Waits until somebody asked for a path."""
        with self._came:
            assert self._came.wait_for(lambda: path in self.asked, 60.0), f"nobody asked for {path}: {self.asked}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._came:
            self.asked.append(handler.path)
            self._came.notify_all()
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        parts = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if handler.command != "GET" or self._disturbs(parts.path, query):
            self._disturbed.append(f"{handler.command} {handler.path}")
        page = self.pages.get(handler.path) or self.pages.get(parts.path) or Page(b"not found", 404)
        if page.hold is not None:
            page.hold.wait(20.0)
        with self._came:
            self.at_once -= 1  # before the answer: who has it may ask again at once
        try:
            handler.send_response_only(page.status)
            for name, value in page.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(page.body)))
            handler.end_headers()
            handler.wfile.write(page.body)
        except OSError:
            pass  # who asked gave up


def never(path: str, query: dict[str, str]) -> bool:
    """For runtimes that only a request to generate disturbs."""
    return path.startswith(("/v1/chat", "/v1/completions", "/generate", "/api/generate", "/api/chat", "/api/show"))
