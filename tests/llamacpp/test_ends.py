"""Streams that do not come to their end: the runtime is killed, the client leaves."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from bus.clock import wall_us
from demo.runtime import Runtime
from demo.serve import Server
from tests.llamacpp.asking import CHAT, COMPLETIONS, Asking, text_of, wanted
from tests.tap.conftest import set_value

ENDLESS = {"logit_bias": {"2": -100}}


@pytest.fixture
def mortal(runtime: Runtime, ports: Iterator[int], tmp_path: Path) -> Iterator[Server]:
    """A server of its own, to be killed."""
    server = Server(runtime, "demo-large", next(ports), tmp_path / "mortal.log", context=4096)
    server.wait_ready()
    yield server
    server.stop()


async def kill_after(asking: Asking, server: Server, tokens: int, came: list[str]) -> None:
    """Reads a long answer, each token into `came`, and kills its runtime after so many."""
    body = wanted(server.model, CHAT, 3000, **ENDLESS)
    async with asking.http.post(asking.url(server.model, CHAT), json=body) as answer:
        async for line in answer.content:
            assert line.strip() != b"data: [DONE]"
            if line.startswith(b"data: {") and (text := text_of(json.loads(line[6:]))):
                came.append(text)
            if len(came) == tokens and server.process.poll() is None:
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()


async def test_a_runtime_killed_in_mid_stream(asking: Asking, mortal: Server) -> None:
    others = {name: url for name, url in asking.urls.items() if name != mortal.model}
    set_value(asking.stack, "tap.routes", json.dumps(others | {mortal.model: mortal.url}))
    since_us = wall_us()
    came: list[str] = []
    with pytest.raises(aiohttp.ClientPayloadError):
        await kill_after(asking, mortal, 20, came)
    record = (await asking.records(since_us))[-1]
    assert (record.finish_reason, record.error, record.status) == ("error", "truncated", 200)
    assert record.output_tokens == len(came) >= 20
    assert record.model == mortal.model
    # The tap goes on: for the models that are there, and with a plain word for the one that is not.
    assert (await asking.stream(CHAT, wanted("demo-small", CHAT, 5))).ended
    async with asking.http.post(asking.url(mortal.model, CHAT), json=wanted(mortal.model, CHAT, 5)) as answer:
        assert answer.status == 502
        assert mortal.url in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_a_client_that_leaves(asking: Asking, path: str) -> None:
    since_us = wall_us()
    seen = 0
    async with asking.http.post(
        asking.url("demo-small", path), json=wanted("demo-small", path, 3500, **ENDLESS)
    ) as answer:
        async for line in answer.content:
            if line.startswith(b"data: {") and text_of(json.loads(line[6:])):
                seen += 1
            if seen == 20:
                break
        answer.close()
    record = (await asking.records(since_us))[-1]
    assert record.finish_reason == "abort"
    assert record.error == ""
    assert record.token_source == "chunks"
    assert 20 <= record.output_tokens < 3500
    # The runtime has stopped too: one that went on would hold the next one off until its own end.
    heard, after = await asking.measured(path, wanted("demo-small", path, 5))
    assert heard.ended
    assert after.e2e_ms < 3000
