"""The HTTP door: wrong Hosts, WebSockets from elsewhere, other sites' writes, no token, used secrets, traversal."""

import json
import time
from urllib.parse import quote

import pytest

from services.gateway.access import TICKET_LIFE_S
from tests.attacks.raw_http import Answer, request, routes, send
from tests.stack import Stack

JSON = ("Content-Type", "application/json")


def own(stack: Stack) -> str:
    return f"127.0.0.1:{stack.home.ports.page}"


def bearer(stack: Stack) -> tuple[str, str]:
    return ("Authorization", f"Bearer {stack.token()}")


def ask(stack: Stack, method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> Answer:
    return send(stack.home.ports.page, request(method, path, [("Host", own(stack)), *headers], body))


def post(stack: Stack, path: str, body: object, *headers: tuple[str, str]) -> Answer:
    return ask(stack, "POST", path, bearer(stack), JSON, *headers, body=json.dumps(body).encode())


def settings(stack: Stack) -> bytes:
    """Everything a write could change, as governance tells it."""
    answer = ask(stack, "GET", "/api/v1/settings", bearer(stack))
    assert answer.status == 200
    return answer.body


def upgrade(stack: Stack, ticket: str, *headers: tuple[str, str]) -> Answer:
    handshake = [
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]  # fmt: skip
    lines = [f"GET /ws?ticket={ticket} HTTP/1.1", *(f"{name}: {value}" for name, value in [*headers, *handshake])]
    return send(stack.home.ports.page, "\r\n".join(lines).encode() + b"\r\n\r\n", timeout_s=2.0)


def ticket(stack: Stack) -> str:
    return str(json.loads(post(stack, "/api/v1/ticket", {}).body)["ticket"])


def test_s1_wrong_hosts_are_refused_on_every_route(stack: Stack) -> None:
    port = stack.home.ports.page
    right = own(stack)
    hosts: list[list[tuple[str, str]]] = [
        [("Host", host)]
        for host in (
            "evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", f"localhost.evil.example:{port}",
            f"evil127.0.0.1:{port}", f"xlocalhost:{port}", f"localhost.:{port}", f"127.0.0.1.:{port}",
            f"127.0.0.2:{port}",
            f"0.0.0.0:{port}", f"192.168.0.1:{port}", f"[::]:{port}", f"[::ffff:127.0.0.1]:{port}", f"127.1:{port}",
            "2130706433", f"localhost:{port}@evil.example", "", "localhost:99999999",
        )
    ]  # fmt: skip
    hosts += [[("Host", right), ("Host", right)], [("Host", right), ("Host", "evil.example")], []]
    refused = 0
    passed: list[object] = []
    for lines in hosts:
        for method, path in routes():
            headers = [*lines, bearer(stack), JSON, ("Origin", f"http://{lines[0][1]}" if lines else "null")]
            answer = send(port, request(method, path, headers, b"{}" if method == "POST" else b""))
            if answer.status in (400, 403):
                refused += 1
            else:
                passed.append((lines, method, path, answer.status))
    print(f"S1: {len(hosts)} hosts x {len(routes())} routes: {refused} refused, {len(passed)} passed")
    assert len(hosts) >= 20
    assert passed == []


def test_s1_a_tunnel_from_elsewhere_works(stack: Stack) -> None:
    """`ssh -L 1234:localhost:9460` arrives under another port."""
    for host in ("localhost:1234", "127.0.0.1:1234", "[::1]:1234", "localhost"):
        headers = [("Host", host), bearer(stack), ("Origin", f"http://{host}")]
        assert send(stack.home.ports.page, request("GET", "/api/v1/settings", headers)).status == 200


def test_s1_an_absolute_request_target_is_refused(stack: Stack) -> None:
    answer = ask(stack, "GET", "http://evil.example/api/v1/settings", bearer(stack))
    assert answer.status in (400, 403)


def test_s2_a_websocket_from_elsewhere_is_refused(stack: Stack) -> None:
    port, right = stack.home.ports.page, own(stack)
    origins: list[list[tuple[str, str]]] = [
        [("Origin", origin)]
        for origin in (
            "null", "", "http://evil.example", f"http://evil.example:{port}", f"http://{right}.evil.example",
            f"http://evil.example/{right}", f"http://127.0.0.1:{port + 1}", "http://127.0.0.1", f"https://{right}",
            f"http://localhost:{port}", f"http://{right}/", f"http://x{right}", f" http://{right} x", "file://",
        )
    ]  # fmt: skip
    origins += [[], [("Origin", f"http://{right}"), ("Origin", "http://evil.example")]]
    statuses = [upgrade(stack, ticket(stack), ("Host", right), *origin).status for origin in origins]
    upgrades = statuses.count(101)
    print(f"S2: {len(origins)} origins: {upgrades} upgrades")
    assert upgrades == 0
    assert upgrade(stack, ticket(stack), ("Host", right), ("Origin", f"http://{right}")).status == 101


def test_s3_other_sites_cannot_change_anything(stack: Stack) -> None:
    before = settings(stack)
    change = json.dumps({"key": "gateway.clients.max", "value": 7}).encode()
    form = b"key=gateway.clients.max&value=7"
    own_origin = ("Origin", f"http://{own(stack)}")
    tries: list[tuple[list[tuple[str, str]], bytes]] = [
        ([("Content-Type", "application/x-www-form-urlencoded"), ("Origin", "http://evil.example")], form),
        ([("Content-Type", "application/x-www-form-urlencoded"), own_origin], form),
        ([("Content-Type", "text/plain"), ("Origin", "http://evil.example")], change),
        ([("Content-Type", "text/plain"), own_origin], change),
        ([("Content-Type", "multipart/form-data; boundary=x"), own_origin], change),
        ([own_origin], change),
        ([JSON, ("Origin", "http://evil.example")], change),
        ([JSON, ("Origin", "null")], change),
        ([JSON, own_origin, ("Sec-Fetch-Site", "cross-site")], change),
        ([JSON, own_origin, ("Sec-Fetch-Site", "same-site")], change),
        ([JSON, own_origin, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")], change),
    ]
    statuses = [ask(stack, "POST", "/api/v1/settings", bearer(stack), *h, body=b).status for h, b in tries]
    statuses += [ask(stack, "POST", "/api/v1/ingest", bearer(stack), *h, body=b).status for h, b in tries]
    statuses += [ask(stack, method, "/api/v1/settings", bearer(stack), JSON, own_origin, body=change).status
                 for method in ("PUT", "DELETE", "PATCH", "OPTIONS")]  # fmt: skip
    changed = settings(stack) != before
    print(f"S3: {len(statuses)} writes from elsewhere: {int(changed)} state changes, statuses {sorted(set(statuses))}")
    assert all(400 <= status < 500 for status in statuses), statuses
    assert not changed


OPEN = {("GET", "/"), ("GET", "/index.html"), ("GET", "/healthz"), ("POST", "/api/v1/session")}


@pytest.mark.parametrize("token", ["absent", "wrong", "empty", "basic", "twice"])
def test_s4_without_the_token_nothing_answers(stack: Stack, token: str) -> None:
    given = {
        "absent": [],
        "wrong": [("Authorization", "Bearer " + "x" * 43)],
        "empty": [("Authorization", "Bearer ")],
        "basic": [("Authorization", f"Basic {stack.token()}")],
        "twice": [bearer(stack), bearer(stack)],
    }[token]
    closed = [route for route in routes() if route not in OPEN]
    statuses = {}
    for method, path in closed:
        body = b"{}" if method == "POST" else b""
        upgrade_headers = [("Connection", "Upgrade"), ("Upgrade", "websocket")] if path == "/ws" else []
        headers = [*given, JSON, ("Origin", f"http://{own(stack)}"), *upgrade_headers]
        statuses[method, path] = ask(stack, method, path, *headers, body=body).status
    print(f"S4: {len(closed)} routes with the token {token}: {sum(s == 401 for s in statuses.values())} answered 401")
    assert set(statuses.values()) == {401}, statuses


def test_s4_what_answers_without_a_token_holds_no_data(stack: Stack) -> None:
    secrets = (stack.token().encode(), stack.home.root.name.encode())
    health = ask(stack, "GET", "/healthz")
    assert set(json.loads(health.body)) == {"ok", "state"}
    for path in ("/", "/index.html"):
        body = ask(stack, "GET", path).body
        assert not any(secret in body for secret in secrets)
    wrong = ask(stack, "POST", "/api/v1/session", JSON, ("Origin", f"http://{own(stack)}"), body=b'{"code":"x"}')
    assert wrong.status == 401
    assert set(json.loads(wrong.body)) == {"error"}


def test_s5_codes_and_tickets_pass_once(stack: Stack) -> None:
    right = own(stack)
    origin = ("Origin", f"http://{right}")
    accepted = 0
    used = ticket(stack)
    assert upgrade(stack, used, ("Host", right), origin).status == 101
    accepted += upgrade(stack, used, ("Host", right), origin).status == 101
    accepted += ask(stack, "GET", f"/sse?ticket={used}").status == 200
    code = str(json.loads(post(stack, "/api/v1/code", {}).body)["code"])
    exchange = json.dumps({"code": code}).encode()
    first = ask(stack, "POST", "/api/v1/session", JSON, origin, body=exchange)
    assert first.status == 200
    accepted += ask(stack, "POST", "/api/v1/session", JSON, origin, body=exchange).status == 200
    for wrong in ("", code[:-1], code + "x", "x" * 43):
        body = json.dumps({"code": wrong}).encode()
        accepted += ask(stack, "POST", "/api/v1/session", JSON, origin, body=body).status == 200
        accepted += upgrade(stack, wrong, ("Host", right), origin).status == 101
    print(f"S5: used and wrong codes and tickets: {accepted} accepted")
    assert accepted == 0


@pytest.mark.long
def test_s5_a_ticket_dies_by_itself(stack: Stack) -> None:
    old = ticket(stack)
    time.sleep(TICKET_LIFE_S + 1)  # the passing of time is what is tested
    answer = upgrade(stack, old, ("Host", own(stack)), ("Origin", f"http://{own(stack)}"))
    print(f"S5: a ticket after {TICKET_LIFE_S + 1:.0f} s: status {answer.status}")
    assert answer.status == 401


def traversals() -> list[str]:
    """200 ways out of a folder."""
    ups = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2e.",
        "%252e%252e",
        "..%00",
        "..;",
        "..%c0%af",
        "%uff0e%uff0e",
        "....//",
        "..\\",
        "%5c..",
    ]
    goals = ["etc/passwd", "pyproject.toml", "services/gateway/__main__.py", ".git/config", "run/token"]
    found = [f"/{'/'.join([up] * depth)}/{goal}" for up in ups for depth in (1, 3, 8) for goal in goals]
    found += [f"/index.html/{quote('../' + goal, safe='')}" for goal in goals]
    found += [f"//{goal}" for goal in goals]
    found += ["/./index.html", "/workers/../../pyproject.toml", "/%00", "/index.html%00.js", "/C:/Windows/win.ini"]
    found += ["/\\\\server\\share", "/file:///etc/passwd", "/~root/.ssh/id_rsa", "/proc/self/environ", "/dev/mem"]
    return found


def test_s10_no_path_leads_out_of_the_map(stack: Stack) -> None:
    tried = traversals()
    outside = [path for path in tried if ask(stack, "GET", path).status == 200]
    with_token = [path for path in tried if ask(stack, "GET", path, bearer(stack)).status == 200]
    print(f"S10: {len(tried)} traversal strings: {len(outside)} outside the map, {len(with_token)} with the token")
    assert len(tried) >= 200
    assert outside == with_token == []
