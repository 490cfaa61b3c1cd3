"""Prompts that are sent on in the call that brings them, and those that cannot be: the same answers in either case."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.tap.conftest import Tapped
from tests.waiting import until

BODY = b'{"model":"tiny-test-model","stream":true}'
PATH = "/v1/chat/completions"


def prompt(host: str = "localhost", **script: object) -> bytes:
    """One request, whole."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(BODY)}\r\nX-Script: {json.dumps(script)}\r\n\r\n".encode() + BODY


@asynccontextmanager
async def line(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Head and body of a chunked answer, as they came."""
    async with asyncio.timeout(30):
        return await reader.readuntil(b"\r\n\r\n") + await reader.readuntil(b"\r\n0\r\n\r\n")


async def direct(tapped: Tapped, **script: object) -> bytes:
    async with line(tapped.runtime.port) as (reader, writer):
        writer.write(prompt(**script))
        return await answer(reader)


def body_of(said: bytes) -> bytes:
    """The body out of its chunks: how it was cut into them is nobody's business."""
    rest, body = said.partition(b"\r\n\r\n")[2], b""
    while size := int((cut := rest.partition(b"\r\n"))[0], 16):
        body, rest = body + cut[2][:size], cut[2][size + 2 :]
    return body


async def test_prompts_one_after_the_other_on_one_line_get_their_own_answers(tapped: Tapped) -> None:
    async with line(tapped.stack.home.ports.tap) as (reader, writer):
        for tokens in (3, 1, 5):
            writer.write(prompt(tokens=tokens))
            assert body_of(await answer(reader)) == body_of(await direct(tapped, tokens=tokens))
            assert (await tapped.record()).output_tokens == tokens


async def test_prompts_that_come_together_are_answered_in_their_order(tapped: Tapped) -> None:
    async with line(tapped.stack.home.ports.tap) as (reader, writer):
        await tapped.read(PATH)  # a connection to the runtime is open
        writer.write(prompt(tokens=4, wait_ms=30) + prompt(tokens=2))
        for tokens in (4, 2):
            assert body_of(await answer(reader)) == body_of(await direct(tapped, tokens=tokens))


async def test_a_prompt_beside_a_request_under_way_waits_for_its_turn(tapped: Tapped) -> None:
    async with line(tapped.stack.home.ports.tap) as (reader, writer):
        writer.write(prompt(tokens=30, gap_ms=5))
        begun = await reader.readuntil(b"\r\n\r\n")
        writer.write(prompt(tokens=2))
        first = begun + await reader.readuntil(b"\r\n0\r\n\r\n")
        assert body_of(first) == body_of(await direct(tapped, tokens=30))
        assert body_of(await answer(reader)) == body_of(await direct(tapped, tokens=2))


@pytest.mark.parametrize("cut", [1, 30, -1, -len(BODY)])
async def test_a_prompt_may_come_in_pieces(tapped: Tapped, cut: int) -> None:
    whole = prompt(tokens=3)
    async with line(tapped.stack.home.ports.tap) as (reader, writer):
        writer.write(whole[:cut])
        await writer.drain()
        await tapped.read(PATH)  # meanwhile the tap has read the first piece
        writer.write(whole[cut:])
        assert body_of(await answer(reader)) == body_of(await direct(tapped, tokens=3))


async def test_s1_a_whole_prompt_for_a_foreign_host_reaches_no_runtime(tapped: Tapped) -> None:
    await tapped.read(PATH)
    async with line(tapped.stack.home.ports.tap) as (reader, writer):
        writer.write(prompt(host="example.test").replace(PATH.encode(), f"{PATH}?foreign".encode(), 1))
        assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
    assert not [one for one in (await tapped.seen())["seen"] if one["path"] == f"{PATH}?foreign"]


async def test_a_client_that_leaves_with_its_prompt_sent_ends_the_runtimes_work(tapped: Tapped) -> None:
    """Gone before its request is handled, or just after: the runtime stops, and a record says so."""
    aborted = (await tapped.seen())["aborted"]
    for _ in range(3):
        await tapped.read(PATH, tokens=1)
        await tapped.record()
        _, writer = await asyncio.open_connection("127.0.0.1", tapped.stack.home.ports.tap)
        writer.write(prompt(forever=True, gap_ms=2))
        writer.close()
        await writer.wait_closed()
        assert (await tapped.record()).finish_reason == "abort"

    async def stopped() -> bool:
        seen = await tapped.seen()
        return bool(seen["aborted"] > aborted and not seen["streaming"])

    await until(stopped)


async def test_an_answer_to_an_old_client_ends_with_its_connection(tapped: Tapped) -> None:
    async with line(tapped.stack.home.ports.tap) as (reader, writer):
        writer.write(prompt(tokens=3).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        async with asyncio.timeout(30):
            said = await reader.read()
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 ")
    assert body == body_of(await direct(tapped, tokens=3))
