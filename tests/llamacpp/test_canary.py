"""What is said to a model and by it is nowhere: no database, ring, log, or message of the bus has it (SECURITY S22)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import aiohttp

from bus.clock import wall_us
from tests.llamacpp.asking import CHAT, COMPLETIONS, Asking, text_of, wanted
from tests.stack import Stack

# Words that are found only where a prompt got: bare, in a list, as a tool's name, as the user's name, in a header.
CANARIES = tuple(f"canary{word}{os.urandom(6).hex()}" for word in ("prompt", "system", "tool", "user", "header"))


def everything_written(stack: Stack) -> dict[Path, bytes]:
    """Every file of the home, and the rings, which lie in memory."""
    folders = [stack.home.root]
    rings = stack.home.run / "rings"
    if rings.is_symlink():
        folders.append(rings.readlink())
    found: dict[Path, bytes] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):  # sockets
                if path.is_file():
                    found[path] = path.read_bytes()
    return found


async def test_prompts_and_answers_leave_no_trace(asking: Asking) -> None:
    prompt, system, tool, user, header = CANARIES
    since_us = wall_us()
    chat = {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
        "user": user,
        "logprobs": True,
        "top_logprobs": 20,
    }
    bodies = [(CHAT, chat), (CHAT, chat | {"stream": False}), (COMPLETIONS, {"prompt": prompt, "logprobs": 20})]
    said: list[str] = []
    for path, more in bodies:
        body = wanted("demo-small", path, 60) | more
        url = asking.url("demo-small", path)
        async with asking.http.post(url, json=body, headers={"X-Note": header}) as answer:
            assert answer.status == 200
            await answer.read()
    heard = await asking.stream(COMPLETIONS, wanted("demo-small", COMPLETIONS, 60))
    said.append("".join(text_of(event) for event in heard.events)[10:50])
    # Also where things go wrong: an error that quotes the prompt, a body that is no JSON, a client that leaves.
    for data in (b'{"model": "demo-small", "messages": "' + prompt.encode() + b'"}', b'{"model": ' + tool.encode()):
        async with asking.http.post(
            asking.url("demo-small", CHAT), data=data, headers={"Content-Type": "application/json"}
        ) as answer:
            assert answer.status >= 400
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with (
            asyncio.timeout(0.05),
            asking.http.post(
                asking.url("demo-small", f"{CHAT}?key={user}"), json=wanted("demo-small", CHAT, 3000) | chat
            ) as answer,
        ):
            await answer.read()
    records = await asking.records(since_us, len(bodies) + 3)
    assert all(record.output_tokens for record in records[:4])

    secrets = [word.encode() for word in CANARIES + tuple(said)]
    assert all(len(secret) > 20 for secret in secrets)
    written = everything_written(asking.stack)
    assert any(path.name.startswith("tap.db") for path in written)
    assert any(content for path, content in written.items() if path.suffix == ".log")
    with asking.ear.changed:
        messages = [topic.encode() + payload for topic, payload in asking.ear.messages]
    assert len(messages) > 20
    traces = [str(path) for path, content in written.items() if any(secret in content for secret in secrets)]
    assert traces == []
    assert not [message[:60] for message in messages if any(secret in message for secret in secrets)]
