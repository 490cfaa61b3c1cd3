"""A client of real runtimes, through the tap and past it, that notes when each token came."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.request_pb2 import Phase, RequestRecord, TokenBurst
from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

from bus import topics
from bus.clock import wall_us
from tests.stack import Ear, Stack
from tests.waiting import until

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
PROMPT = "Kami tore lu, shane vo?"
# What differs from request to request by the runtime's own doing.
_OWN = re.compile(rb'"id": ?"[^"]*"|"created": ?[0-9]+')


def comparable(body: bytes) -> bytes:
    """An answer without its random id and its time of creation."""
    return _OWN.sub(b'"-":0', body)


def wanted(model: str, path: str, tokens: int, **more: Any) -> dict[str, Any]:
    """The body of a request that any two runs answer alike."""
    body = {"model": model, "stream": True, "temperature": 0, "seed": 7, "max_tokens": tokens}
    asked = {"prompt": PROMPT} if path == COMPLETIONS else {"messages": [{"role": "user", "content": PROMPT}]}
    return body | asked | more


@dataclass
class Heard:
    """One streamed answer."""

    sent_s: float
    body: bytes = b""
    arrived_s: list[float] = field(default_factory=list)
    """When each token reached the client."""
    events: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False
    """The answer came to its end by HTTP, and by [DONE]."""
    truncated: bool = False

    @property
    def ttft_ms(self) -> float:
        return (self.arrived_s[0] - self.sent_s) * 1e3

    @property
    def tpot_ms(self) -> float:
        return (self.arrived_s[-1] - self.arrived_s[0]) * 1e3 / (len(self.arrived_s) - 1)


def text_of(event: dict[str, Any]) -> str:
    """What a streamed event says, in either dialect."""
    choice = (event.get("choices") or [{}])[0]
    return str(choice.get("text") or choice.get("delta", {}).get("content") or "")


@dataclass
class Asking:
    """The stack, an ear on its bus, and a client."""

    stack: Stack
    ear: Ear
    http: aiohttp.ClientSession
    urls: dict[str, str]

    def url(self, model: str, path: str, *, direct: bool = False) -> str:
        return (self.urls[model] if direct else f"http://127.0.0.1:{self.stack.home.ports.tap}") + path

    async def stream(self, path: str, body: dict[str, Any], *, direct: bool = False) -> Heard:
        """A streamed answer to its end, or to where it breaks."""
        heard = Heard(time.monotonic())
        async with self.http.post(self.url(body["model"], path, direct=direct), json=body) as answer:
            assert answer.status == 200, await answer.text()
            rest = b""
            try:
                async for part in answer.content.iter_any():
                    now_s = time.monotonic()
                    heard.body += part
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        note(heard, line.strip(), now_s)
            except aiohttp.ClientPayloadError:
                heard.truncated = True
        return heard

    async def whole(self, path: str, body: dict[str, Any], *, direct: bool = False) -> bytes:
        """An answer that is not streamed."""
        asked = body | {"stream": False}
        async with self.http.post(self.url(body["model"], path, direct=direct), json=asked) as answer:
            assert answer.status == 200
            return await answer.read()

    async def records(self, since_us: int, count: int = 1) -> list[RequestRecord]:
        """So many records of requests that ended after `since_us`, the oldest first."""
        asked = pb.ListRequestsRequest(after_us=since_us, limit=1000)
        async with grpc.aio.insecure_channel(f"unix:{self.stack.home.socket('tap')}") as channel:
            requests = RequestsServiceStub(channel)

            async def enough() -> list[RequestRecord]:
                found = (await requests.ListRequests(asked, timeout=5)).requests
                return list(reversed(found)) if len(found) >= count else []

            return await until(enough)

    async def measured(self, path: str, body: dict[str, Any]) -> tuple[Heard, RequestRecord]:
        """A streamed answer through the tap, and its record."""
        since_us = wall_us()
        heard = await self.stream(path, body)
        return heard, (await self.records(since_us))[-1]

    async def two_at_once(self) -> list[tuple[Heard, RequestRecord]]:
        """Two hundred tokens of either model at the same time: the smaller's answer and record, and the larger's."""
        since_us = wall_us()
        models = ("demo-small", "demo-large")
        heard = await asyncio.gather(
            *(self.stream(CHAT, wanted(model, CHAT, 200, logit_bias={"2": -100})) for model in models)
        )
        records = {record.model: record for record in await self.records(since_us, len(models))}
        return [(one, records[model]) for model, one in zip(models, heard, strict=True)]

    def bursts(self, request_id: str, model: str) -> list[TokenBurst]:
        """All TokenBursts of a request that ended."""

        def of(heard: list[tuple[str, bytes]]) -> list[TokenBurst]:
            told = (TokenBurst.FromString(payload) for topic, payload in heard if topic == topics.token(model))
            return [burst for burst in told if burst.request_id == request_id]

        self.ear.wait_for(
            lambda heard: any(burst.phase == Phase.PHASE_ENDED for burst in of(heard)), 5.0, f"the end of {request_id}"
        )
        with self.ear.changed:
            return of(self.ear.messages)


def note(heard: Heard, line: bytes, now_s: float) -> None:
    """Keeps one line of an event stream."""
    if line == b"data: [DONE]":
        heard.ended = True
    elif line.startswith(b"data: "):
        event = json.loads(line[6:])
        heard.events.append(event)
        if text_of(event):
            heard.arrived_s.append(now_s)
