"""wfmon tap and wfmon requests with the real stack and a runtime behind it, as a person types them."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from bus.home import Home
from tests.cli.test_running import ENVIRONMENT, command, temporary_home, wfmon
from tests.stack import free_port_base, wait_until
from tests.tap.conftest import Runtime
from tests.tap.runtime_shapes import MODEL


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    started = Runtime()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def home(runtime: Runtime) -> Iterator[Home]:
    """A running home whose tap leads to the runtime, and looks for no other on this machine."""
    with temporary_home() as home:
        wfmon(home, "up", "--detach", "--no-open", "--port-base", str(free_port_base()))
        wfmon(home, "settings", "set", "tap.find", "off")
        wfmon(home, "tap", "routes", "--set", "/", runtime.url)
        # What answers at a route that was set is looked for, and is not there at once.
        wait_until(lambda: MODEL in wfmon(home, "tap", "routes"), 60, "the runtime's model among the routes")
        yield home


def routes(home: Home) -> dict[str, dict[str, Any]]:
    """Those that a person set."""
    found = [json.loads(line) for line in wfmon(home, "tap", "routes", "--json").splitlines()]
    return {route["prefix"]: route for route in found if not route["found"]}


def kept(home: Home) -> list[dict[str, Any]]:
    """The records that ended, newest first."""
    return [json.loads(line) for line in wfmon(home, "requests", "--json").splitlines()]


@pytest.fixture
def record(home: Home) -> dict[str, Any]:
    """A request that `tap test` has made, and its record."""
    before = {record["id"] for record in kept(home)}
    wfmon(home, "tap", "test", "--model", MODEL)
    (record,) = [record for record in kept(home) if record["id"] not in before]
    return record


def test_routes_are_set_listed_and_forgotten(home: Home, runtime: Runtime) -> None:
    assert routes(home)[""] == {
        "prefix": "", "upstream": runtime.url, "runtime": "llama.cpp", "found": False, "answers": True,
    }  # fmt: skip
    said = wfmon(home, "tap", "routes", "--set", "llama3:8b", "http://127.0.0.1:9")
    assert "set; not seen to answer" in said
    assert "/ (default)" in said
    wfmon(home, "tap", "routes", "--set", "/vllm", runtime.url)
    assert {name: route["upstream"] for name, route in routes(home).items()} == {
        "": runtime.url, "llama3:8b": "http://127.0.0.1:9", "/vllm": runtime.url,
    }  # fmt: skip
    wfmon(home, "tap", "routes", "--unset", "llama3:8b")
    wfmon(home, "tap", "routes", "--unset", "/vllm")
    assert list(routes(home)) == [""]
    changes = [json.loads(line) for line in wfmon(home, "audit", "--all", "--json").splitlines()]
    assert sum(row["details"].get("key") == "tap.routes" for row in changes) == 5


def test_a_route_that_cannot_be_is_refused_in_words(home: Home) -> None:
    before = routes(home)
    assert "not on this machine" in wfmon(home, "tap", "routes", "--set", "x", "http://192.0.2.1:80", code=1)
    own = f"http://127.0.0.1:{home.ports.tap}"
    assert "the monitor itself" in wfmon(home, "tap", "routes", "--set", "x", own, code=1)
    assert "there are: /" in wfmon(home, "tap", "routes", "--unset", "nobody", code=2)
    assert routes(home) == before


def test_one_request_is_tested_and_its_record_printed(home: Home) -> None:
    before = {record["id"] for record in kept(home)}
    said = wfmon(home, "tap", "test")
    (record,) = [record for record in kept(home) if record["id"] not in before]
    assert f"Asking {MODEL} for" in said
    assert f"{record['ttft_ms']:.0f} ms" in said
    assert f"{record['output_tokens']} (usage)" in said
    assert "█" in said
    assert (record["model"], record["finish_reason"], record["status"]) == (MODEL, "stop", 200)


def test_a_runtimes_api_key_goes_from_a_variable_to_it(
    home: Home, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("tap", "test", "--model", MODEL, "--key-env", "OF_MINE")
    assert "'OF_MINE' of --key-env is empty" in wfmon(home, *words, code=2)
    monkeypatch.setitem(ENVIRONMENT, "OF_MINE", "a-key")
    assert "name the model" in wfmon(home, "tap", "test", "--key-env", "OF_MINE", code=2)
    wfmon(home, *words)
    with urllib.request.urlopen(f"{runtime.url}/seen", timeout=30) as answer:
        seen = json.load(answer)["seen"]
    asked = [one for one in seen if one["path"] == "/v1/chat/completions"][-1]
    assert ["Authorization", "Bearer a-key"] in asked["headers"]


class Ollama(BaseHTTPRequestHandler):
    """As much of Ollama as choosing takes: two models, of which none, then the one that was asked is in memory."""

    loaded: ClassVar[list[str]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        models = [{"id": name, "owned_by": "library"} for name in ("bge-m3", "qwen3")]
        lists = {"/v1/models": {"data": models}, "/api/ps": {"models": [{"name": name} for name in self.loaded]}}
        self.reply(lists.get(self.path, {}))

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        if self.path == "/api/show":
            return self.reply({"capabilities": ["embedding"] if name == "bge-m3" else ["completion"]})
        self.asked.append(name)
        self.loaded[:] = [name]
        return self.reply({"model": name, "choices": [{"index": 0, "message": {}, "finish_reason": "stop"}]})

    def reply(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ollama(home: Home) -> Iterator[type[Ollama]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ollama)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = routes(home)[""]["upstream"]
    wfmon(home, "tap", "routes", "--set", "/", f"http://127.0.0.1:{server.server_port}")
    wait_until(lambda: "qwen3" in wfmon(home, "tap", "routes"), 60, "the models among the routes")
    yield Ollama
    wfmon(home, "tap", "routes", "--set", "/", before)
    wait_until(lambda: MODEL in wfmon(home, "tap", "routes"), 60, "the runtime's model among the routes")
    server.shutdown()
    server.server_close()


def test_a_test_loads_nothing_unasked_and_asks_a_model_that_chats(home: Home, ollama: type[Ollama]) -> None:
    assert "qwen3 would be loaded for this; agree with --load" in wfmon(home, "tap", "test", code=1)
    assert ollama.asked == []
    assert "qwen3 is not in memory; it is loaded first." in wfmon(home, "tap", "test", "--load")
    said = wfmon(home, "tap", "test")
    assert said.startswith("Asking qwen3 for")
    assert ollama.asked == ["qwen3", "qwen3"]


def test_a_test_that_reaches_no_runtime_says_why(home: Home) -> None:
    wfmon(home, "tap", "routes", "--set", "gone", "http://127.0.0.1:9")
    try:
        assert "refused the request: HTTP 502" in wfmon(home, "tap", "test", "--model", "gone", code=1)
    finally:
        wfmon(home, "tap", "routes", "--unset", "gone")


def test_requests_are_listed_and_one_is_told_in_full(home: Home, record: dict[str, Any]) -> None:
    [head, *lines] = wfmon(home, "requests", "--model", MODEL).splitlines()
    assert head.split() == ["WHEN", "MODEL", "TTFT", "ms", "TPOT", "ms", "E2E", "ms", "PROMPT", "OUTPUT", "JOULES",
                            "END", "ID"]  # fmt: skip
    (line,) = [line for line in lines if record["id"] in line]
    assert {MODEL, f"{record['e2e_ms']:.0f}", "12", "5", "stop"} <= set(line.split())
    in_full = wfmon(home, "requests", record["id"])
    assert f"{record['ttft_ms']:.{2 if record['ttft_ms'] >= 1 else 6}f}" in in_full
    assert "█" in in_full
    assert record["id"] in wfmon(home, "requests", "--last")
    assert [json.loads(wfmon(home, "requests", record["id"], "--json"))["id"]] == [record["id"]]
    assert "no request 'nobody'" in wfmon(home, "requests", "nobody", code=1)
    assert wfmon(home, "requests", "--model", "nobody").startswith("No requests yet")


def test_a_request_is_watched_and_queried_as_a_series_of_its_model(home: Home, record: dict[str, Any]) -> None:
    ttft = sorted(round(one["ttft_ms"], 3) for one in kept(home) if one["ttft_ms"] is not None)
    watching = subprocess.Popen(
        command(home, ["watch", "model.ttft_ms[type=request].max", "--window", "5m", "--json"]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    assert watching.stdout is not None
    told = json.loads(watching.stdout.readline())
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=60)
    assert (told["source"], told["value"]) == (f"model:{MODEL}", ttft[-1])
    lines = wfmon(home, "query", "model.ttft_ms[type=request]", "--last", "5m", "--json").splitlines()
    (series,) = [json.loads(line) for line in lines]
    assert sorted(series["values"]) == ttft
    assert round(record["ttft_ms"], 3) in ttft
