"""One running stack for the gateway's tests, and a page to look through."""

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest

from tests.stack import Stack, wait_until

# A read of each service that the gateway asks: READY says that it listens, not that the gateway has found it.
BEHIND = ("/api/v1/settings", "/api/v1/clients")


class Page:
    """A client with the API token."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession) -> None:
        self.stack = stack
        self.http = http
        self.origin = stack.url("")
        self.headers = {"Authorization": f"Bearer {stack.token()}", "Content-Type": "application/json"}

    async def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """(status, body) of a read."""
        async with self.http.get(self.stack.url(path), headers={**self.headers, **headers}) as answer:
            return answer.status, await answer.read()

    async def read(self, path: str) -> Any:
        """The JSON of a read that must succeed."""
        status, body = await self.get(path)
        assert status == 200, body
        return json.loads(body)

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """(status, JSON) of a write."""
        url, sent = self.stack.url(path), {**self.headers, **headers}
        async with self.http.post(url, headers=sent, data=json.dumps(body)) as answer:
            return answer.status, json.loads(await answer.read())

    async def ticket(self) -> str:
        """A fresh ticket."""
        return str((await self.post("/api/v1/ticket", {}))[1]["ticket"])

    async def socket(self) -> aiohttp.ClientWebSocketResponse:
        """An open /ws."""
        url = self.stack.url(f"/ws?ticket={await self.ticket()}").replace("http:", "ws:")
        return await self.http.ws_connect(url, headers={"Origin": self.origin}, max_msg_size=0)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole stack, with the first values of the collector in the aggregator."""
    with Stack() as running:
        wait_until(lambda: measures(running), 60, "the first value of system.cpu.percent")
        for path in BEHIND:
            wait_until(partial(answers, running, path), 60, f"an answer to {path}")
        yield running


def measures(stack: Stack) -> bool:
    """Whether the aggregator has a value of the CPU's load."""
    found = answer(stack, "/api/v1/series?metric=system.cpu.percent")
    return bool(found and found["series"]) and found["series"][0]["newest"] is not None


def answers(stack: Stack, path: str) -> bool:
    """Whether the service that owns an answer can be reached."""
    return answer(stack, path) is not None


def answer(stack: Stack, path: str) -> Any:
    """The JSON of a read; None while the service that owns the answer cannot be reached yet."""
    asked = urllib.request.Request(stack.url(path), headers={"Authorization": f"Bearer {stack.token()}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as found:
            return json.load(found)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
            return None
        raise
    except (urllib.error.URLError, TimeoutError):
        return None


@pytest.fixture
async def page(stack: Stack) -> AsyncIterator[Page]:
    """A client of the running stack."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http:
        yield Page(stack, http)
