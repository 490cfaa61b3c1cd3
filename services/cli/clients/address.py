"""Addresses of runtimes in the settings of programs, and what they become. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})
_BARE = re.compile(r"[A-Za-z0-9.\[\]:-]+(/\S*)?")
OLLAMA_PORT = 11434


@dataclass(frozen=True, slots=True)
class Tap:
    """Where the tap listens, and the ports of the runtimes that it leads to."""

    port: int
    runtimes: Collection[int]
    ollamas: Collection[int] = (OLLAMA_PORT,)
    """Ports at which an Ollama would listen."""

    @property
    def knows_ollama(self) -> bool:
        """Whether an Ollama is among them, at whatever port: the tap leads Ollama's own paths to it."""
        return any(port in self.runtimes for port in self.ollamas)

    @property
    def authority(self) -> str:
        """As 127.0.0.1:9464."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """As http://127.0.0.1:9464."""
        return f"http://{self.authority}"

    def moved(self, address: str) -> str | None:
        """Return an address of a runtime as one of the tap's that leads there and nowhere else, its path kept.

        By the model alone the tap could lead to another runtime that has it, or, where a llama-server takes any name
        for its one model, to one that has none of that name. None for all other addresses, the tap's own too.

        >>> Tap(9464, {8080}).moved("http://localhost:8080/v1")
        'http://127.0.0.1:9464/port/8080/v1'
        >>> Tap(9464, {8080}).moved("https://api.example.test/v1") is None
        True
        """
        found = port_of(address)
        if found is None or found not in self.runtimes or found == self.port:
            return None
        if "://" in address:
            return self.at(found) + urlsplit(address).path
        return self.at(found).removeprefix("http://") + address.partition("/")[1] + address.partition("/")[2]

    def at(self, port: int) -> str:
        """Return the tap's address for the runtime at a port, as http://127.0.0.1:9464/port/8080."""
        return f"{self.url}/port/{port}"

    def leads_here(self, address: str) -> bool:
        """Whether it is the tap's address."""
        return port_of(address) == self.port


def port_of(address: str) -> int | None:
    """Return the port of a plain http address on this machine, or of host:port; None for any other address."""
    try:
        if "://" not in address:
            if not _BARE.fullmatch(address):
                return None
            address = f"http://{address}"
        parts = urlsplit(address)
        if parts.scheme != "http" or parts.username or parts.query or parts.fragment:
            return None
        return (parts.port or 80) if (parts.hostname or "").lower() in _LOOPBACK else None
    except ValueError:
        return None
