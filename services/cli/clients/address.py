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
        """Return an address of a runtime as the tap's, its path kept; None for all others, the tap's own too.

        >>> Tap(9464, {8080}).moved("http://localhost:8080/v1")
        'http://127.0.0.1:9464/v1'
        >>> Tap(9464, {8080}).moved("https://api.example.test/v1") is None
        True
        """
        found = port_of(address)
        if found is None or found not in self.runtimes or found == self.port:
            return None
        if "://" not in address:
            return self.authority + address.partition("/")[1] + address.partition("/")[2]
        return self.url + urlsplit(address).path

    def moved_apart(self, address: str) -> str | None:
        """As `moved`, but to the runtime that it led to and no other: for programs that ask each for its models.

        >>> Tap(9464, {8080}).moved_apart("http://localhost:8080/v1")
        'http://127.0.0.1:9464/port/8080/v1'
        """
        now = self.moved(address)
        return now and now.replace(self.authority, f"{self.authority}/port/{port_of(address)}", 1)

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
