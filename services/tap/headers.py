"""Which headers pass the tap, in both directions, as the bytes that came. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

RawHeaders = Sequence[tuple[bytes, bytes]]

# Of one connection, not of the message (RFC 9110 §7.6.1).
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# A client may not have these taken out by naming them in Connection.
_NEVER_NAMED = frozenset({b"content-length", b"content-type", b"host"})
_OURS = frozenset({b"host", b"expect", b"content-length"})


def host_refused(hosts: Iterable[str]) -> str:
    """Return why the Host headers of a request are refused; empty where they name this machine's loopback.

    A page of another name that resolves to 127.0.0.1 (DNS rebinding) comes with its own name.
    """
    given = list(hosts)
    if len(given) != 1:
        return f"there must be exactly one Host, not {len(given)}"
    name, colon, port = given[0].rpartition(":")
    if not colon or given[0].endswith("]"):
        name, colon = given[0], ""
    if name.lower() not in LOOPBACK_NAMES or (colon and not (port.isascii() and port.isdigit())):
        return "its Host is no address of this machine"
    return ""


def request_head(method: str, target: str, headers: RawHeaders, host: str, length: int | None) -> bytes:
    """Return the head of a request for the runtime: its own Host; Origin and the rest unchanged.

    `length` of the body in bytes; None: it comes in chunks. No length header at all where the client sent neither.
    """
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n".encode("utf-8", "surrogateescape")]
    lines += _passing(headers, _OURS)
    if length is None:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif length or any(name.lower() == b"content-length" for name, _ in headers):
        lines.append(b"Content-Length: %d\r\n" % length)
    lines.append(b"\r\n")
    return b"".join(lines)


def answer_headers(headers: RawHeaders, *, chunked: bool) -> list[bytes]:
    """Return the lines of an answer's headers for the client; a length beside chunks is none (RFC 9112 §6.3)."""
    return _passing(headers, frozenset({b"content-length"}) if chunked else frozenset())


def first(headers: RawHeaders, name: bytes) -> str:
    """Return a header's first value; empty where there is none."""
    return next((value.decode("latin-1") for known, value in headers if known.lower() == name), "")


def _passing(headers: RawHeaders, left_out: frozenset[bytes]) -> list[bytes]:
    stopped = _HOP_BY_HOP | left_out
    for name, value in headers:
        if name.lower() == b"connection":
            stopped |= {token.strip().lower() for token in value.split(b",")} - _NEVER_NAMED
    return [b"%b: %b\r\n" % (name, value) for name, value in headers if name.lower() not in stopped]
