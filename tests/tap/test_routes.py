"""Which runtime a request goes to, and which headers go with it."""

from __future__ import annotations

import json

import pytest

from services.tap.headers import answer_headers, host_refused, request_head
from services.tap.routes import Found, RouteError, RouteTable, Upstream, parse_routes

OLLAMA = Upstream("127.0.0.1", 11434, "ollama")
LLAMA = Upstream("127.0.0.1", 8080, "llama.cpp")
FOUND = {11434: Found(OLLAMA, frozenset({"llama3:latest", "qwen3:8b"})), 8080: Found(LLAMA, frozenset({"tiny"}))}


def table(**routes: str) -> RouteTable:
    return RouteTable(parse_routes(json.dumps(routes)), FOUND)


def port(chosen: RouteTable, path: str, model: str) -> int:
    way = chosen.choose(path, model)
    assert way is not None
    return way.upstream.port


def test_the_order_of_choice() -> None:
    chosen = table(**{"/vllm": "http://127.0.0.1:8000/api", "big*": "http://localhost:9000", "": "http://[::1]:7000"})
    way = chosen.choose("/vllm/v1/chat/completions", "tiny")
    assert way is not None
    assert (way.upstream.port, way.path) == (8000, "/api/v1/chat/completions")
    assert port(chosen, "/vllmish/x", "big-70b") == 9000
    assert port(chosen, "/v1/chat/completions", "tiny") == 8080
    assert port(chosen, "/v1/chat/completions", "llama3") == 11434
    assert port(chosen, "/v1/chat/completions", "nobody's") == 7000
    assert port(table(), "/api/chat", "") == 11434
    assert RouteTable().choose("/v1/models", "") is None


def test_a_port_leads_to_its_runtime_whatever_the_model_and_to_no_other() -> None:
    chosen = table(**{"tiny": "http://127.0.0.1:9000", "": "http://127.0.0.1:7000"})
    for path, rest in (("/port/11434/v1/models", "/v1/models"), ("/port/11434", "/"), ("/port/11434/", "/")):
        way = chosen.choose(path, "tiny")
        assert way is not None
        assert (way.upstream, way.path) == (OLLAMA, rest)
    for path in ("/port/9000/v1/models", "/port//v1", "/port/", "/port/²/v1", "/port/99999999999999/v1", "/port/-1/v1"):
        assert chosen.choose(path, "tiny") is None
    assert port(table(**{"/port": "http://127.0.0.1:9"}), "/port/8080/v1", "") == 9, "what a person set comes first"


def test_a_model_is_called_as_its_runtime_calls_it() -> None:
    chosen = table()
    assert chosen.name_of(OLLAMA, "llama3") == "llama3:latest"
    assert chosen.name_of(OLLAMA, "qwen3:8b") == "qwen3:8b"
    assert chosen.name_of(OLLAMA, "llama3:70b") == "llama3:70b"
    assert chosen.name_of(LLAMA, "gpt-4o") == "tiny"
    assert chosen.name_of(Upstream("127.0.0.1", 9), "gpt-4o") == "gpt-4o"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:1", "http://example.test", "http://127.0.0.1.example.test:80", "http://10.0.0.1:8080",
        "ftp://localhost", "http://user@localhost:1", "http://localhost:99999", "localhost:8080", "http://127.0.0.1:9464",
    ],
)  # fmt: skip
def test_routes_lead_to_this_machines_runtimes_only(url: str) -> None:
    with pytest.raises(RouteError):
        parse_routes(json.dumps({"": url}), [9464])


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', "[" * 5000])
def test_routes_that_are_no_routes_are_refused_with_their_shape(text: str) -> None:
    with pytest.raises(RouteError, match="MODEL or /prefix"):
        parse_routes(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:9464", "[::1]"])
def test_loopback_hosts_pass(host: str) -> None:
    assert not host_refused([host])


@pytest.mark.parametrize(
    "hosts",
    [
        [], [""], ["localhost", "localhost"], ["example.test"], ["localhost.example.test"], ["127.0.0.1."],
        ["127.0.0.1.example.test"], ["10.0.0.1"], ["localhost:x"], ["localhost:"], ["evil@localhost"], ["[::2]"],
        ["127.0.0.1:80:80"], ["::1"], ["127.1"], ["0.0.0.0"], ["2130706433"],
    ],
)  # fmt: skip
def test_other_hosts_are_refused(hosts: list[str]) -> None:
    assert host_refused(hosts)


def test_a_requests_headers_are_the_clients_but_for_host_and_connection() -> None:
    given = [
        (b"Host", b"localhost:9464"), (b"Origin", b"http://a.test"), (b"Connection", b"close, X-Drop, Content-Length"),
        (b"X-Drop", b"1"), (b"TE", b"trailers"), (b"Transfer-Encoding", b"chunked"), (b"X-Latin", b"\xe4"),
        (b"Cookie", b"a=1"), (b"Cookie", b"b=2"), (b"Expect", b"100-continue"), (b"Content-Length", b"3"),
    ]  # fmt: skip
    head = request_head("POST", "/v1/x?y=%20", given, "127.0.0.1:8080", 3)
    assert head == (
        b"POST /v1/x?y=%20 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nOrigin: http://a.test\r\nX-Latin: \xe4\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nContent-Length: 3\r\n\r\n"
    )
    assert b"Transfer-Encoding: chunked\r\n" in request_head("POST", "/", given, "h", None)
    assert b"Content-Length" not in request_head("GET", "/", [], "h", 0)


def test_an_answers_headers_are_the_runtimes_but_for_the_connections() -> None:
    given = [
        (b"Server", b"x"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Content-Length", b"7"),
        (b"Set-Cookie", b"a"),
        (b"Set-Cookie", b"b"),
    ]
    assert answer_headers(given, chunked=True) == [b"Server: x\r\n", b"Set-Cookie: a\r\n", b"Set-Cookie: b\r\n"]
    assert b"Content-Length: 7\r\n" in answer_headers(given, chunked=False)
