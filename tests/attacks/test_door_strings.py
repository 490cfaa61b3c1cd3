"""Hostile strings in every free field: SQL changes nothing, and no name starts a log line of its own (S17, S19)."""

import json
import re
from urllib.parse import quote

from tests.attacks.raw_http import request, send
from tests.attacks.test_door_http import JSON, ask, bearer, own, post, settings
from tests.stack import Stack

SQL = [
    "' OR '1'='1", "'; DROP TABLE session; --", "1; DELETE FROM setting", '" OR ""="',
    "x' UNION SELECT token FROM session --",
    "%' ; ATTACH DATABASE '/tmp/x' AS x; --", "\\'; VACUUM; --", "0x27 OR 1=1", "');--", "gateway' || (SELECT 1) || '",
]  # fmt: skip
ESCAPES = [
    "x\r\nInjected: 1", "x\n2026-01-01T00:00:00Z error gateway: forged", "\x1b[2J\x1b[31mred", "\x1b]0;title\x07",
    "\x00nul", "\u2028line", "\u202eevil", "\x9b31m", "a\tb", "\x7f", "\r", "\u0085next",
]  # fmt: skip
READS = {
    "/api/v1/series": ("class", "metric"), "/api/v1/describe": ("metric",), "/api/v1/settings": ("prefix",),
    "/api/v1/query_range": ("metric", "source", "label", "stat", "start_us", "step_us"),
    "/api/v1/events": ("kind", "limit"),
    "/api/v1/info": ("subject",),
    "/api/v1/query_instant": ("metric", "source", "stat", "window", "time_us"), "/api/v1/audit": ("after", "limit"),
    "/api/v1/settings/changes": ("key",), "/api/v1/backfill": ("seconds",),
}  # fmt: skip
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error|critical) \w+: ")


def statuses_of(stack: Stack, strings: list[str]) -> list[int]:
    """What every free field of every address answers to each string."""
    statuses = []
    for text in strings:
        for path, names in READS.items():
            for name in names:
                required = "" if name == "metric" else "metric=system.load1&" if "query" in path else ""
                statuses.append(ask(stack, "GET", f"{path}?{required}{name}={quote(text)}", bearer(stack)).status)
        event = {"ts": 1, "source": f"custom:{text}", "kind": "usage", "fields": {text: 1}}
        bodies: list[tuple[str, object]] = [
            ("/api/v1/settings", {"key": text, "value": text}),
            ("/api/v1/settings", {"key": "gateway.clients.max", "value": text}),
            ("/api/v1/settings/undo", {"change_id": text}),
            ("/api/v1/consents", {"target": text, "given": True, "wording": text}),
            ("/api/v1/ingest", event),
            ("/api/v1/ingest", {**event, "fields": {"x": 1}, "source": f"model:{text}"}),
        ]
        statuses += [post(stack, path, body).status for path, body in bodies]
        exchange = json.dumps({"code": text}).encode()
        statuses.append(
            ask(stack, "POST", "/api/v1/session", JSON, ("Origin", f"http://{own(stack)}"), body=exchange).status
        )
        statuses.append(ask(stack, "GET", f"/sse?ticket={quote(text)}").status)
    return statuses


def test_s17_sql_in_every_free_field_changes_nothing(stack: Stack) -> None:
    before = settings(stack)
    statuses = statuses_of(stack, SQL)
    changed = settings(stack) != before
    faults = sum(status >= 500 and status != 503 for status in statuses)
    print(f"S17: {len(SQL)} SQL strings in {len(statuses)} requests: {int(changed)} changes, {faults} faults")
    assert not changed
    assert faults == 0
    assert ask(stack, "GET", "/api/v1/settings", bearer(stack)).status == 200


def test_s19_no_string_from_outside_starts_a_log_line(stack: Stack) -> None:
    statuses = statuses_of(stack, ESCAPES)
    for text in ESCAPES:
        raw = request("GET", f"/{quote(text)}", [("Host", own(stack)), ("X-Name", quote(text))])
        send(stack.home.ports.page, raw)
        send(stack.home.ports.page, f"GET /{text} HTTP/1.1\r\nHost: {own(stack)}\r\n\r\n".encode("utf-8", "replace"))
    lines, wrong = 0, []
    for path in (stack.home.log / f"{service}.log" for service in stack.services):
        # By bytes: a reader of the log may take other characters than \n for the end of a line.
        for line in path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]:
            lines += 1
            if not LOG_LINE.match(line) or not line.isprintable():
                wrong.append(f"{path.name}: {line}")
    faults = sum(status >= 500 and status != 503 for status in statuses)
    print(
        f"S19: {len(ESCAPES)} names, {len(statuses)} requests: {lines} log lines, {len(wrong)} broken, {faults} faults"
    )
    assert wrong == []
    assert faults == 0
