"""Finds runtimes by what they say of themselves. Looking wakes and loads nothing.

Asked are the usual loopback ports, those a person named, and those where the collector found one by its process.

A port where something else listens, or that keeps its models to itself, is asked again after 30 s, 1 min … 10 min: each
question may be a failure in its log and its figures (LiteLLM with a key).

Two addresses are asked, both answered from memory by every runtime that has them: GET /api/tags (Ollama), GET
/v1/models (all others). Not /health, which makes SGLang generate, nor anything with a model in it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import aiohttp
import msgspec
from msgspec import Struct

from bus.clock import monotonic_s
from bus.retries import Retries
from bus.runtime_names import LITELLM, LLAMA_CPP, LLAMA_CPP_PYTHON, LM_STUDIO, OLLAMA, SGLANG, VLLM
from bus.unreadable import UNREADABLE
from services.tap.routes import Found, RouteTable, Upstream
from services.tap.whole_answer import whole_of

# In the order of preference where several could answer.
USUAL_PORTS = (11434, 8080, 8000, 30000, 1234, 9931, 3000, 4000)
_LOOK_EVERY_S = 10.0
_TIMEOUT_S = 2.0
_LONGEST_LIST = 1 << 20
_MOST_MODELS = 2000


class _Model(Struct, gc=False):
    id: str | None = None
    name: str | None = None
    owned_by: str | None = None
    root: str | None = None
    parent: str | None = None


class _Models(Struct, gc=False):
    data: list[_Model] | None = None
    models: list[_Model] | None = None


_decoder = msgspec.json.Decoder(_Models)
OWNERS = {
    "llamacpp": LLAMA_CPP,
    "llama.cpp": LLAMA_CPP,
    "vllm": VLLM,
    "sglang": SGLANG,
    "organization_owner": LM_STUDIO,
    "library": OLLAMA,
    "me": LLAMA_CPP_PYTHON,
}
USUAL_NAMES = {11434: OLLAMA, 1234: LM_STUDIO, 30000: SGLANG, 4000: LITELLM}


class Finder:
    """Keeps `table.found` true; `run` looks every 10 s, `look` now."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        table: RouteTable,
        own_ports: Sequence[int],
        enabled: Callable[[], bool],
        ports: Sequence[int] = USUAL_PORTS,
    ) -> None:
        self._session = session
        self._table = table
        self._enabled = enabled
        self._own_ports = frozenset(own_ports)
        self._usual = ports
        self._heard: dict[str, tuple[int, ...]] = {}
        self._retries = Retries()
        self._looking: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Look, for as long as the service lives."""
        while True:
            await self.look()
            self._wake.clear()
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(0.5)  # what has just gone is not back at once

    def soon(self) -> None:
        """Have it look before its time: a runtime did not answer."""
        self._wake.set()

    def changed(self) -> None:
        """What may be asked has changed: what is out of it is forgotten at once, the rest is looked for."""
        allowed = self._where()
        self._table.found = {port: found for port, found in self._table.found.items() if port in allowed}
        self.soon()

    def hear(self, by: str, ports: Iterable[int]) -> None:
        """Take the ports that somebody says runtimes listen at, in place of what was said by the same before."""
        told = tuple(ports)
        if told != self._heard.get(by, ()):
            for port in set(told) - set(self._heard.get(by, ())):
                self._retries.forget(port)
            self._heard[by] = told
            self.changed()

    async def look(self, *, all_anew: bool = False) -> None:
        """Ask all ports now, `all_anew` those too that wait for their turn; several callers share one look."""
        if all_anew:
            self._retries.clear()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="look for runtimes")
        await asyncio.shield(self._looking)

    def _where(self) -> list[int]:
        """The ports that were set, to know what answers there; and, where looking is on, all others."""
        given = [route.upstream.port for route in self._table.given if not route.upstream.base]
        return list(dict.fromkeys([*given, *self._looked()]))

    def _looked(self) -> list[int]:
        if not self._enabled():
            return []
        return [port for port in chain(self._usual, *self._heard.values()) if port not in self._own_ports]

    def tried(self) -> list[str]:
        """Return the addresses of the last look, and those that were set."""
        looked = [f"http://127.0.0.1:{port}" for port in self._looked()]
        return list(dict.fromkeys(self._table.tried() + looked))

    async def _look(self) -> None:
        answers = await asyncio.gather(*(self._ask(port) for port in self._where()))
        told = [found for found in answers if found is not None]
        # A proxy comes last: it may be asking for this very model through the tap.
        told.sort(key=lambda found: found.upstream.runtime == LITELLM)
        self._table.found = {found.upstream.port: found for found in told}

    async def _ask(self, port: int) -> Found | None:
        known = self._table.found.get(port)
        # Most usual ports are closed: a plain connect says so at a tenth of what the HTTP client takes to find out.
        if known is None and not await self._listens(port):
            self._retries.forget(port)
            return None
        if self._retries.due(port, monotonic_s()):
            found, answered = await self._read_any(port)
            if found is not None:
                self._retries.forget(port)
                return found
            if answered:
                self._retries.failed(port, monotonic_s())
        return known if await self._listens(port) else None

    async def _read_any(self, port: int) -> tuple[Found | None, bool]:
        """What was found, and whether all that was asked was answered: who is busy or loading is asked again soon."""
        answered = True
        for path in ("/api/tags", "/v1/models") if port == 11434 else ("/v1/models",):
            try:
                if (found := await self._read(port, path)) is not None:
                    return found, True
            except UNREADABLE:
                pass
            except (aiohttp.ClientError, OSError, TimeoutError):
                answered = False
        return None, answered

    async def _read(self, port: int, path: str) -> Found | None:
        url = f"http://127.0.0.1:{port}{path}"
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with self._session.get(url, timeout=timeout, allow_redirects=False) as answer:
            if answer.status == 503:  # llama-server while it loads its model
                answer.raise_for_status()
            if answer.status != 200 or "json" not in answer.headers.get("Content-Type", ""):
                return None
            body = await whole_of(answer, _LONGEST_LIST)
            server = answer.headers.get("Server", "")
        listed = _decoder.decode(body)
        models = (listed.models if path == "/api/tags" else listed.data) or []
        names = frozenset(name for model in models[:_MOST_MODELS] if (name := model.id or model.name))
        runtime = OLLAMA if path == "/api/tags" else _runtime_of(port, server, models)
        aliases = _aliases(models[:_MOST_MODELS]) if runtime == VLLM else {}
        return Found(Upstream("127.0.0.1", port, runtime), names, aliases)

    @staticmethod
    async def _listens(port: int) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as door:
            door.setblocking(False)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await asyncio.get_running_loop().sock_connect(door, ("127.0.0.1", port))
            except (OSError, TimeoutError):
                return False
        return True


def _aliases(models: Sequence[_Model]) -> dict[str, str]:
    """The further names of what vLLM serves under several, each with the first, by which its metrics go."""
    first: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for model in models:
        if model.id and model.root and model.parent is None:
            name = first.setdefault(model.root, model.id)
            if name != model.id:
                aliases[model.id] = name
    return aliases


def _runtime_of(port: int, server: str, models: Sequence[_Model]) -> str:
    if server.lower().startswith("llama.cpp"):
        return LLAMA_CPP
    for model in models:
        if model.owned_by in OWNERS:
            return OWNERS[model.owned_by]
    return USUAL_NAMES.get(port, "")
