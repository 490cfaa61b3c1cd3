"""HTTP at its edges: offers to upgrade, bodies that are none, silent clients, runtimes that promise no answer."""

from __future__ import annotations

import asyncio
import json

import pytest

from services.tap import line, proxy
from tests.tap.near_tap import BODY, PROMPT, Says, body, near_tap, says
from tests.waiting import until

JSON = b"Content-Type: application/json\r\n"
EVENTS = b"Content-Type: text/event-stream\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 2\r\n\r\n{}"
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
LAST = b"Connection: close\r\n"
CANARY = b"KANARIENVOGEL"


def error_of(said: bytes) -> tuple[int, str]:
    """(status, kind) of an answer of the tap itself."""
    head, _, told = said.partition(b"\r\n\r\n")
    assert b"\r\nX-Answered-By: wfmon-tap\r\n" in head
    error = json.loads(told)["error"]
    assert len(error["message"]) > 20
    return int(head.split(b" ")[1]), error["type"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_offer_of_http_2_is_passed_over(method: str) -> None:
    """Java's client makes it with every request."""
    offer = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head = method.encode() + b" /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + offer
    request = head + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY) if method == "POST" else head + b"\r\n"
    async with near_tap(says(OK)) as near:
        assert (await near.ask(request)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(near.heads) == 1
    assert b"pgrade" not in near.heads[0]
    assert b"HTTP2-Settings" not in near.heads[0]


@pytest.mark.parametrize("status", [b"101 Switching Protocols", b"099 Odd"])
async def test_a_runtime_that_promises_no_answer_is_an_error(status: bytes) -> None:
    async with near_tap(says(b"HTTP/1.1 " + status + b"\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")) as near:
        said = await near.ask(PROMPT.replace(b"Host:", LAST + b"Host:"))
    assert error_of(said) == (502, "no_runtime")
    assert [record.error for record in near.records] == ["no_answer"]


@pytest.mark.parametrize("works_s", [0.0, 0.3])
async def test_a_prompt_that_was_worked_on_is_not_sent_again(monkeypatch: pytest.MonkeyPatch, works_s: float) -> None:
    """One that met a connection which was just being closed is."""
    monkeypatch.setattr("services.tap.upstreams._RACE_S", 0.2)
    prompts = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        nonlocal prompts
        await body(reader, head)
        prompts += 1
        if prompts != 2:
            writer.write(OK)
            return
        await asyncio.sleep(works_s)
        raise ConnectionResetError

    async with near_tap(answer) as near:
        reader, writer = await asyncio.open_connection("127.0.0.1", near.port)
        writer.write(PROMPT)
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200 ")
        writer.write(PROMPT.replace(b"Host:", LAST + b"Host:"))
        said = await reader.read()
        writer.close()
    assert prompts == (2 if works_s else 3)
    assert said.startswith(b"HTTP/1.1 502 " if works_s else b"HTTP/1.1 200 ")


@pytest.mark.parametrize("odd", [b'{"model":"\xff"}', b'{"model":' + b"[" * 90_000, b'{"model":"\\ud800"}', b"\xff"])
@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_body_that_names_no_model_that_can_be_read_goes_through(odd: bytes, pieces: int) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    request = (head % len(odd), odd)
    async with near_tap(says(OK)) as near:
        said = await near.ask(*(request if pieces == 2 else (b"".join(request),)))
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (len(near.heads), len(near.records), near.failures) == (1, 1, [])


@pytest.mark.parametrize("size", [len(BODY), 17 << 20], ids=["looked into", "passed on"])
async def test_a_body_that_is_no_http_is_answered_so(size: int) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    good = b"%x\r\n%b\r\n" % (size, BODY.ljust(size))
    async with near_tap(says(OK)) as near:
        said = await near.ask(head + good, b"zz\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert error_of(said) == (400, "no_http")
    assert not [one for one in near.heads if b"smuggled" in one]
    assert [(record.finish_reason, record.error) for record in near.records] in ([], [("abort", "")])


UNREADABLE = {
    "https": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY, (400, "no_http")),
    "no method": (CANARY + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, "no_http")),
    "another version": (b"GET /" + CANARY + b" HTTP/7.1\r\nHost: localhost\r\n\r\n", (400, "no_http")),
    "a long path": (b"GET /" + CANARY * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (431, "head_too_large")),
    "a long header": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + CANARY * 2000 + b"\r\n\r\n",
        (431, "head_too_large"),
    ),
    "many headers": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + CANARY + b"\r\n") * 101 + b"\r\n",
        (431, "head_too_large"),
    ),
    "a folded header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n " + CANARY + b"\r\n\r\n", (400, "no_http")),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_what_cannot_be_read_is_answered_in_words_that_quote_nothing(case: str) -> None:
    request, error = UNREADABLE[case]
    async with near_tap(says(OK)) as near:
        said = await near.ask(request)
    assert error_of(said) == error
    assert CANARY[:6] not in said
    assert not near.heads


@pytest.mark.parametrize("begun", [b"", b"\r\n", PROMPT[:30], b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n"])
async def test_who_connects_and_asks_nothing_is_shown_out(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(line, "_FIRST_REQUEST_WITHIN_S", 0.2)
    async with near_tap(says(OK)) as near:
        assert await near.ask(begun, within_s=5.0) == b""
        assert near.door.silent_total == 1


async def test_who_has_asked_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_FIRST_REQUEST_WITHIN_S", 0.2)

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        await body(reader, head)
        await asyncio.sleep(0.5)
        writer.write(OK)

    async with near_tap(slowly) as near:
        assert (await near.ask(PROMPT.replace(b"Host:", LAST + b"Host:"))).endswith(b"{}")


async def test_a_body_that_stops_in_its_middle_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_BODY_GOES_ON_S", 0.2)
    async with near_tap(says(OK)) as near:
        assert error_of(await near.ask(PROMPT[:-5])) == (408, "body_stopped")
    assert not near.heads


@pytest.mark.parametrize(
    ("coding", "tokens"), [(b"", 1), (b"Content-Encoding: Identity\r\n", 1), (b"Content-Encoding: br\r\n", 0)]
)
async def test_what_is_compressed_passes_untouched_and_is_not_measured(coding: bytes, tokens: int) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + EVENTS + coding + b"Content-Length: %d\r\n\r\n" % len(TOKEN)
    answer: Says = says(head + TOKEN)
    async with near_tap(answer) as near:
        said = await near.ask(PROMPT.replace(b"Host:", LAST + b"Host:"))
    assert said.endswith(coding + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(TOKEN) + TOKEN)
    assert [record.output_tokens for record in near.records] == [tokens]
    assert near.figures.unmeasured == 1 - tokens


async def test_bodies_are_held_within_a_budget_until_their_answers_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond it is passed on unread, so that its model has no name here."""
    size = 1 << 20
    monkeypatch.setattr(proxy, "_HELD_BUDGET", 5 * size // 2)
    answers, read = asyncio.Event(), asyncio.Semaphore(0)

    async def holds(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        await body(reader, head)
        read.release()
        await answers.wait()
        writer.write(OK)

    whole = b'{"model":"m","x":"%b"}' % (b"a" * size)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    async with near_tap(holds) as near:
        asking = []
        for _ in range(4):
            asking.append(asyncio.create_task(near.ask(head % len(whole), whole)))
            await asyncio.wait_for(read.acquire(), 20)
        asking.pop(0).cancel()  # one leaves, and its room with it
        await until(lambda: bool(near.records))
        asking.append(asyncio.create_task(near.ask(head % len(whole), whole)))
        await asyncio.wait_for(read.acquire(), 20)
        answers.set()
        await asyncio.gather(*asking)
        assert [record.model for record in sorted(near.records, key=lambda one: one.id)] == (
            ["m", "m", "unnamed", "unnamed", "m"]
        )
        assert (await near.ask(head % len(whole), whole)).endswith(b"{}")
        assert near.records[-1].model == "m"
