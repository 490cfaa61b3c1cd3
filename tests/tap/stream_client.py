"""A client of streams in a process of its own, as lean as Python allows, so that what it measures is the way there.

python -m tests.tap.stream_client first PORT COUNT           ms to the first token, one a line; a connection kept
python -m tests.tap.stream_client delay PORT TOKENS GAP_MS   ms from a token's making to its arrival, one a line
python -m tests.tap.stream_client many PORT STREAMS TOKENS GAP_MS    one line a stream: seconds, hash of its bytes
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


async def first(port: int, count: int) -> list[float]:
    """ms from sending a prompt to the first token."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    for _ in range(count):
        began_ns, came_ns = time.monotonic_ns(), 0
        async for piece in post(reader, writer, tokens=2, usage=False):
            if not came_ns and b'"content": "' in piece:
                came_ns = time.monotonic_ns()
        found.append((came_ns - began_ns) / 1e6)
    writer.close()
    return found


async def delay(port: int, tokens: int, gap_ms: float) -> list[float]:
    """ms from the making of each token to its arrival here."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    async for piece in post(reader, writer, tokens=tokens, gap_ms=gap_ms, stamp=True):
        now_ns = time.monotonic_ns()
        found += [(now_ns - int(stamp)) / 1e6 for stamp in _STAMP.findall(piece)]
    writer.close()
    return found


async def many(port: int, streams: int, tokens: int, gap_ms: float) -> list[tuple[float, str]]:
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
    kind, port, *rest = sys.argv[1:]
    if kind == "first":
        lines = [f"{value:.4f}" for value in asyncio.run(first(int(port), int(rest[0])))]
    elif kind == "delay":
        lines = [f"{value:.4f}" for value in asyncio.run(delay(int(port), int(rest[0]), float(rest[1])))]
    else:
        found = asyncio.run(many(int(port), int(rest[0]), int(rest[1]), float(rest[2])))
        lines = [f"{seconds:.4f} {digest}" for seconds, digest in found]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
