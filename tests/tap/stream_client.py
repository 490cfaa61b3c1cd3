"""A client of streams in a process of its own, as lean as Python allows, so that what it measures is the way there.

python -m tests.tap.stream_client first COUNT PORT…            ms to the first token; connections kept
python -m tests.tap.stream_client delay TOKENS GAP_MS PORT…    ms from each token's making to its arrival
python -m tests.tap.stream_client many STREAMS TOKENS GAP_MS PORT    one line a stream: seconds, hash of its bytes

`first` and `delay` print a column for each port and a line for each request or token; of `delay` the first line is how
long each stream took, in ms. Ports are ways to one runtime, asked in turn: what disturbs one meets them all.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

_STAMP = re.compile(rb'"content": ?"(\d{6,})"')
PATH = "/v1/chat/completions"


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, **script: Any) -> AsyncIterator[bytes]:
    """The body of one answer, piece by piece as it arrives, without its chunk framing where pieces are whole."""
    body = b'{"model":"tiny-test-model","stream":true}'
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\nX-Script: {json.dumps(script)}\r\n\r\n".encode() + body)
    await reader.readuntil(b"\r\n\r\n")
    while size := int(await reader.readline(), 16):
        piece = await reader.readexactly(size + 2)
        yield piece[:-2]
    await reader.readline()


async def first(count: int, ports: list[int]) -> list[list[float]]:
    """ms from sending a prompt to the first token, by request and port."""
    lines = [await asyncio.open_connection("127.0.0.1", port) for port in ports]

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        began_ns, came_ns = time.monotonic_ns(), 0
        async for piece in post(reader, writer, tokens=2, usage=False):
            if not came_ns and b'"content": "' in piece:
                came_ns = time.monotonic_ns()
        return (came_ns - began_ns) / 1e6

    found = []
    for index in range(count):
        row = [0.0] * len(ports)
        for turn in range(len(ports)):
            at = (index + turn) % len(ports)  # who comes after whom changes
            row[at] = await one(*lines[at])
        found.append(row)
    for _, writer in lines:
        writer.close()
    return found


async def delay(tokens: int, gap_ms: float, ports: list[int]) -> list[list[float]]:
    """How long each stream took, then ms from the making of each token to its arrival here, by token and port."""

    async def one(port: int, after_ms: float) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async for _ in post(reader, writer, tokens=2):
            pass  # from here on all connections of the way are open
        await asyncio.sleep(after_ms / 1e3)  # each way's tokens come between the others'
        began_ns, found = time.monotonic_ns(), []
        async for piece in post(reader, writer, tokens=tokens, gap_ms=gap_ms, stamp=True):
            now_ns = time.monotonic_ns()
            found += [(now_ns - int(stamp)) / 1e6 for stamp in _STAMP.findall(piece)]
        writer.close()
        return [(time.monotonic_ns() - began_ns) / 1e6, *found]

    streams = (one(port, index * gap_ms / len(ports)) for index, port in enumerate(ports))
    return [list(row) for row in zip(*await asyncio.gather(*streams), strict=True)]


async def many(streams: int, tokens: int, gap_ms: float, port: int) -> list[tuple[float, str]]:
    """(seconds, hash of the bytes) of each of many streams at once."""

    async def one() -> tuple[float, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began_s, seen = time.monotonic(), hashlib.sha256()
        async for piece in post(reader, writer, tokens=tokens, gap_ms=gap_ms):
            seen.update(piece)
        writer.close()
        return time.monotonic() - began_s, seen.hexdigest()

    return list(await asyncio.gather(*(one() for _ in range(streams))))


def main() -> None:
    kind, *rest = sys.argv[1:]
    if kind == "many":
        found = asyncio.run(many(int(rest[0]), int(rest[1]), float(rest[2]), int(rest[3])))
        print("\n".join(f"{seconds:.4f} {digest}" for seconds, digest in found))
        return
    if kind == "first":
        rows = asyncio.run(first(int(rest[0]), [int(port) for port in rest[1:]]))
    else:
        rows = asyncio.run(delay(int(rest[0]), float(rest[1]), [int(port) for port in rest[2:]]))
    print("\n".join(" ".join(f"{value:.4f}" for value in row) for row in rows))


if __name__ == "__main__":
    main()
