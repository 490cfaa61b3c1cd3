"""A small HTTP server that answers as model runtimes do, for tests: no model behind it, shapes as recorded from them.

    python -m tests.tap.runtime_server        # prints its port, serves until it is killed

What it streams is told by the header `X-Script`, a JSON object:

    tokens      how many (default 5)            gap_ms    between two of them (default 0)
    wide        each token says so many letters
    text        what each token says            thinking  how many of them are thinking
    usage       send counts at the end          cut       send the answer in pieces of so many bytes
    drop_after  close the connection after so many tokens, without an end
    close_after close the connection after the answer
    wait_ms     before the first token          status    answer with this status and an error
    head        answer with a header of so many bytes that never ends
    garbage     answer with what is no HTTP
    forever     never end                       line      one SSE line of so many bytes instead of tokens
    stamp       each token says when it was made, in ns of the monotonic clock
    whole       one JSON, as for "stream": false
    obeys       one of obeying_shapes.OBEYING: counts and log-probabilities as the request asks for them, spelled so
    refuses     answer 400 to a request that asks for one of these members
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from tests.tap.obeying_shapes import OBEYING
from tests.tap.runtime_shapes import MODEL, SHAPES, WHOLE, Script


class Gone(Exception):
    """The connection is to be dropped."""


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, list[tuple[str, str]], bytes] | None:
    """(method, path, headers, body) of one request; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
    low = {name.lower(): value for name, value in headers}
    if low.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    else:
        body = await reader.readexactly(int(low.get("content-length", "0")))
    return method, path, headers, body


async def parts(path: str, script: Script) -> AsyncIterator[bytes]:
    """The answer as it comes."""
    if "line" in script:
        yield b"data: "
        for _ in range(int(script["line"]) // 65536):
            yield b"x" * 65536
        yield b"\n\n"
    make = OBEYING[script["obeys"]][1] if "obeys" in script else SHAPES[path][0]
    yield make(script, "begin")
    await asyncio.sleep(float(script.get("wait_ms", 0)) / 1e3)
    gap_s = float(script.get("gap_ms", 0)) / 1e3
    next_s = asyncio.get_running_loop().time()
    index = 0
    while script.get("forever") or index < int(script.get("tokens", 5)):
        if index == script.get("drop_after", -1):
            raise Gone
        if gap_s and index:
            next_s += gap_s
            await asyncio.sleep(max(0.0, next_s - asyncio.get_running_loop().time()))
        yield make(script, "token", index)
        index += 1
    yield make(script, "end")


class Runtime:
    """The server, and what its clients did to it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.streaming = 0
        self.aborted = 0
        self.connections = 0
        self.written = 0

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await read_request(reader)) is not None:
                await self.answer(writer, *request)
        except (Gone, ConnectionError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(
        self, writer: asyncio.StreamWriter, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        low = {name.lower(): value for name, value in headers}
        plain = path.partition("?")[0]
        if plain == "/seen":
            told = {"seen": self.seen[-20:], "streaming": self.streaming, "aborted": self.aborted}
            return await whole(writer, {**told, "connections": self.connections, "written": self.written})
        script: Script = json.loads(low.get("x-script", "{}"))
        self.seen.append({"method": method, "path": path, "headers": headers, "bytes": len(body)})
        if plain in ("/v1/models", "/api/tags"):
            return await whole(writer, models(plain))
        if plain == "/props" and OWNER == "llamacpp":
            return await whole(writer, {"is_sleeping": False})
        if plain == "/echo":
            return await whole(
                writer, {"method": method, "path": path, "headers": headers, "body": body.decode("latin-1")}
            )
        if plain not in SHAPES:
            return await whole(writer, {"error": {"message": "not here", "type": "not_found_error"}}, 404)
        asked = json.loads(body) if "obeys" in script or "refuses" in script else {}
        self.seen[-1]["asked"] = sorted(asked)
        if any(name in asked for name in script.get("refuses", ())):
            return await whole(writer, {"error": {"message": "unknown member", "type": "invalid_request_error"}}, 400)
        if "obeys" in script:
            script |= {"asked": asked}
        if "status" in script:
            return await whole(
                writer,
                {"error": {"code": script["status"], "message": "not now", "type": "unavailable_error"}},
                script["status"],
            )
        if script.get("whole"):
            return await whole(writer, WHOLE[plain])
        if "head" in script:
            writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"a" * int(script["head"]))
            await writer.drain()
            raise Gone
        if script.get("garbage"):
            writer.write(f"HTTP/1.1 200 OK {script}\r\n{script}\r\n\r\n".encode())
            raise Gone
        await self.stream(writer, plain, script)

    async def stream(self, writer: asyncio.StreamWriter, path: str, script: Script) -> None:
        kind = SHAPES[path][1]
        head = f"HTTP/1.1 200 OK\r\nServer: test-runtime\r\nContent-Type: {kind}\r\n"
        writer.write(f"{head}Transfer-Encoding: chunked\r\nX-Kept: yes\r\n\r\n".encode())
        self.streaming += 1
        self.written = 0
        try:
            async for part in parts(path, script):
                size = int(script.get("cut", 0)) or len(part)
                for start in range(0, len(part), size or 1):
                    piece = part[start : start + size]
                    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    await writer.drain()
                    self.written += len(piece)
                    if script.get("cut"):
                        await asyncio.sleep(0)
                if writer.is_closing():
                    raise ConnectionResetError
        except ConnectionError:
            self.aborted += 1
            raise
        finally:
            self.streaming -= 1
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        if script.get("close_after"):
            raise Gone


# Whose server it says to be. llama.cpp's answers as its one model, whatever the client asks for.
OWNER = sys.argv[2] if len(sys.argv) > 2 else "llamacpp"


def models(path: str) -> object:
    if path == "/api/tags":
        return {"models": [{"name": MODEL, "model": MODEL, "size": 1}]}
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": OWNER}]}


async def whole(writer: asyncio.StreamWriter, answer: object, status: int = 200) -> None:
    body = json.dumps(answer, ensure_ascii=False).encode()
    head = f"HTTP/1.1 {status} Said\r\nServer: test-runtime\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = await asyncio.start_server(Runtime().client, "127.0.0.1", port, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
