"""No word of a prompt or an answer is stored, logged or published: canaries are planted everywhere and searched for."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus import topics
from bus.home import Home
from bus.rings import ring_folder
from tests.stack import Ear
from tests.tap.conftest import Tapped, set_value
from tests.tap.runtime_shapes import SHAPES

CANARY = "KANARIENVOGEL-7f3a"


@pytest.fixture
def ear(tapped: Tapped) -> Iterator[Ear]:
    """Hears everything on the bus."""
    hears = Ear(tapped.stack.home, ("1/",))
    hears.wait_for(lambda messages: any(topic == topics.health("tap") for topic, _ in messages), 60, "the tap's health")
    yield hears
    hears.close()


def raw(port: int, data: bytes) -> bytes:
    """Sends bytes that need be no HTTP; returns what comes until the connection ends, or nothing came for a second."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection, contextlib.suppress(OSError):
        connection.sendall(data)
        while part := connection.recv(65536):
            came += part
    return came


def places(home: Home) -> list[Path]:
    """Every file of the home, ring files on tmpfs too."""
    return [path for root in (home.root, ring_folder(home)) for path in root.rglob("*") if path.is_file()]


async def test_no_word_of_a_prompt_or_an_answer_is_kept_or_published(tapped: Tapped, ear: Ear) -> None:
    prompt = {
        "model": "canary-model",
        "stream": True,
        "messages": [{"role": "user", "content": CANARY}],
        "user": CANARY,
    }

    async def ask(path: str, **script: object) -> None:
        headers = {
            "X-Script": json.dumps({"text": CANARY, "thinking": 2, **script}),
            "Authorization": f"Bearer {CANARY}",
        }
        url = f"{tapped.url}{path}?q={CANARY}"
        async with tapped.http.post(url, json=prompt, headers=headers) as answer:
            with contextlib.suppress(Exception):
                await answer.read()

    for path in sorted(SHAPES):
        await ask(path)
        await ask(path, logprobs=True)
        await ask(path, drop_after=2)
        await ask(path, status=500)
        await ask(path, garbage=True)
    for path in ("/v1/chat/completions", "/api/chat", "/v1/messages"):
        await ask(path, whole=True)
    await ask(f"/{CANARY}/v1/chat/completions")
    port = tapped.stack.home.ports.tap
    raw(port, f"POST /v1/chat/completions {CANARY}\r\n\r\n".encode())
    raw(port, f"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header {CANARY}: {CANARY}\r\n\r\n".encode())
    raw(port, f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{CANARY}".encode())
    raw(port, f"POST /v1/chat/completions HTTP/1.1\r\nHost: {CANARY}\r\n\r\n".encode())
    set_value(tapped.stack, "tap.routes", json.dumps({"": "http://127.0.0.1:9"}))
    await ask("/v1/chat/completions")

    requests = 5 * len(SHAPES) + 4

    def ended(messages: list[tuple[str, bytes]]) -> bool:
        bursts = [TokenBurst.FromString(payload) for topic, payload in messages if topic.startswith(topics.TOKENS)]
        return sum(burst.phase == Phase.PHASE_ENDED for burst in bursts) >= requests

    def recorded(messages: list[tuple[str, bytes]]) -> bool:
        return sum(topic.startswith(topics.REQUESTS) for topic, _ in messages) >= requests

    ear.wait_for(ended, 60, "the last token burst")
    ear.wait_for(recorded, 60, "the last record")
    wanted = CANARY.encode()
    with ear.changed:
        heard = list(ear.messages)
    assert any(topic.startswith(topics.REQUESTS) for topic, _ in heard)
    bursts = [TokenBurst.FromString(payload) for topic, payload in heard if topic.startswith(topics.TOKENS)]
    lengths: dict[str, int] = {}
    for burst in bursts:
        lengths[burst.request_id] = lengths.get(burst.request_id, 0) + burst.request_bytes
    assert len(json.dumps(prompt)) in lengths.values(), "the length of a request is told, once"
    assert not [topic for topic, payload in heard if wanted in payload or CANARY in topic]
    searched = places(tapped.stack.home)
    assert {"tap.db", "tap.log"} <= {path.name for path in searched}
    assert any(path.suffix == ".ring" for path in searched)
    assert not [path for path in searched if wanted in path.read_bytes()]
