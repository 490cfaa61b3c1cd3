"""Which runtime a request goes to. Pure: what was set and what was found come in, an upstream goes out.

In this order: a path prefix that was set; the port of a runtime, as /port/8080; a model that was set; a runtime that
was found to have the model; the default that was set; by the API's own paths; the first that was found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from bus.model_names import same_model
from bus.runtime_names import LLAMA_CPP, OLLAMA
from services.tap.headers import LOOPBACK_NAMES

SHAPE = '{"MODEL or /prefix or empty for the default": "http://127.0.0.1:PORT"}'
BY_PORT = "/port/"


class RouteError(ValueError):
    """Routes that cannot be used; the text names which, why, and the mend."""


class Upstream(NamedTuple):
    """The address of a runtime on this machine."""

    host: str
    port: int
    runtime: str = ""
    base: str = ""
    """A path that goes before every other, "" or "/…"."""

    @property
    def url(self) -> str:
        """As http://127.0.0.1:11434."""
        return f"http://{self.authority}{self.base}"

    @property
    def authority(self) -> str:
        """The Host header that the runtime expects."""
        return f"{self.host}:{self.port}"


class SetRoute(NamedTuple):
    """What a person set."""

    prefix: str
    upstream: Upstream


@dataclass(slots=True)
class Found:
    """A runtime that answers, and the models it said it has."""

    upstream: Upstream
    models: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further names of a model, each with the one that its runtime measures it under."""


class Way(NamedTuple):
    """Where one request goes."""

    upstream: Upstream
    path: str


def parse_routes(text: str, own_ports: Iterable[int] = ()) -> list[SetRoute]:
    """Return the routes of the setting `tap.routes`. Raises RouteError; `own_ports` would lead back to ourselves."""
    if not text.strip():
        return []
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise RouteError(f"the routes are no JSON; write {SHAPE}") from None
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise RouteError(f"the routes must be an object of texts: {SHAPE}")
    refused = frozenset(own_ports)
    return [SetRoute(prefix, parse_upstream(url, refused)) for prefix, url in told.items()]


def parse_upstream(url: str, own_ports: frozenset[int] = frozenset()) -> Upstream:
    """Return the upstream of a loopback http address. Raises RouteError."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        raise RouteError(f"{url!r} is no address; write http://127.0.0.1:PORT") from None
    host = (parts.hostname or "").lower()
    if parts.scheme != "http" or parts.username or parts.query or parts.fragment:
        raise RouteError(f"{url!r} is no plain http address; write http://127.0.0.1:PORT")
    if host not in LOOPBACK_NAMES and f"[{host}]" not in LOOPBACK_NAMES:
        raise RouteError(f"{url!r} is not on this machine; the tap leads to 127.0.0.1, localhost or [::1] only")
    if port in own_ports:
        raise RouteError(f"{url!r} is the monitor itself; name the port of the runtime")
    return Upstream(f"[{host}]" if ":" in host else host, port, "", parts.path.rstrip("/"))


@dataclass(slots=True)
class RouteTable:
    """What was set and found, now."""

    given: Sequence[SetRoute] = ()
    found: Mapping[int, Found] = field(default_factory=dict)
    """By port, in the order of preference."""

    def choose(self, path: str, model: str) -> Way | None:
        """Return the way of a request; None where there is no runtime at all."""
        by_length = sorted(self.given, key=lambda route: len(route.prefix), reverse=True)
        for route in by_length:
            rest = _under(path, route.prefix) if route.prefix.startswith("/") else None
            if rest is not None:
                return self._way(route.upstream, rest)
        if path.startswith(BY_PORT):
            return self._by_port(path)
        for route in by_length:
            if model and route.prefix and fits(model, route.prefix):
                return self._way(route.upstream, path)
        if model:
            for found in self.found.values():
                if any(same_model(model, known) for known in found.models):
                    return self._way(found.upstream, path)
        for route in by_length:
            if not route.prefix:
                return self._way(route.upstream, path)
        ordered = list(self.found.values())
        if path.startswith("/api/") and not path.startswith(("/api/v0/", "/api/v1/")):
            ordered.sort(key=lambda found: found.upstream.runtime != OLLAMA)
        return self._way(ordered[0].upstream, path) if ordered else None

    def _by_port(self, path: str) -> Way | None:
        """To one runtime and no other: what lists models lists only its own."""
        port, _, rest = path[len(BY_PORT) :].partition("/")
        found = self.found.get(int(port)) if len(port) < 6 and port.isascii() and port.isdecimal() else None
        return None if found is None else self._way(found.upstream, f"/{rest}")

    def _way(self, upstream: Upstream, path: str) -> Way:
        if not upstream.runtime and upstream.port in self.found:
            upstream = upstream._replace(runtime=self.found[upstream.port].upstream.runtime)
        return Way(upstream, upstream.base + path)

    def name_of(self, upstream: Upstream, model: str) -> str:
        """Return what the runtime calls the model a client asked for, where that is known; else the client's name.

        A llama-server with one model answers with it whatever the client writes.
        """
        found = self.found.get(upstream.port)
        if found is None:
            return model
        if model in found.models:
            return found.aliases.get(model, model)
        alike = next((known for known in found.models if same_model(model, known)), None)
        if alike is not None:
            return alike
        return next(iter(found.models)) if found.upstream.runtime == LLAMA_CPP and len(found.models) == 1 else model

    def tried(self) -> list[str]:
        """Return every address that is known, for the error when none answers."""
        return list(dict.fromkeys([r.upstream.url for r in self.given] + [f.upstream.url for f in self.found.values()]))


def _under(path: str, prefix: str) -> str | None:
    prefix = prefix.rstrip("/")
    if path == prefix:
        return "/"
    return path[len(prefix) :] if path.startswith(prefix + "/") else None


def fits(model: str, pattern: str) -> bool:
    """Whether a model is meant by a route's name, which may end in `*`."""
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else same_model(model, pattern)
