"""Which headers pass the tap, in both directions. Pure."""

from __future__ import annotations

from collections.abc import Iterable

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

# Of one connection, not of the message (RFC 9110 §7.6.1).
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
Headers = list[tuple[str, str]]


def host_refused(hosts: Iterable[str]) -> str:
    """Return why the Host headers of a request are refused; empty where they name this machine's loopback.

    A page of another name that resolves to 127.0.0.1 (DNS rebinding) comes with its own name.
    """
    given = list(hosts)
    if len(given) != 1:
        return f"there must be exactly one Host, not {len(given)}"
    name, colon, port = given[0].rpartition(":")
    if not colon or given[0].endswith("]"):
        name, port = given[0], ""
    if colon and not given[0].endswith("]") and not (port.isascii() and port.isdigit()):
        return "its Host is no address of this machine"
    return "" if name.lower() in LOOPBACK_NAMES else "its Host is no address of this machine"


def to_runtime(headers: Iterable[tuple[str, str]], host: str) -> Headers:
    """Return a request's headers for the runtime: its own Host, no hop-by-hop ones; Origin and the rest unchanged."""
    return [("Host", host), *_passing(headers, frozenset({"host", "expect"}))]


def to_client(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return an answer's headers for the client, without hop-by-hop ones."""
    return _passing(headers, frozenset())


def _passing(headers: Iterable[tuple[str, str]], left_out: frozenset[str]) -> Headers:
    given = list(headers)
    named = {
        token.strip().lower() for name, value in given if name.lower() == "connection" for token in value.split(",")
    }
    # A client may not have the framing taken out by naming it.
    named -= {"content-length", "content-type", "host"}
    stopped = _HOP_BY_HOP | left_out | named
    return [(name, value) for name, value in given if name.lower() not in stopped]
