"""Connections to runtimes: pooled, nothing added to a request, nothing decoded in an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from services.tap.headers import Headers
from services.tap.routes import Way

# Runtimes close idle connections after 5 s (uvicorn, cpp-httplib): ours go earlier, so that a prompt never meets
# a connection that is just being closed.
_KEEPALIVE_S = 2.0
_CONNECT_S = 5.0
_BUFFER_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 16 * 1024
_NOTHING_ADDED = frozenset({"Accept", "Accept-Encoding", "User-Agent", "Content-Type"})

Body = bytes | AsyncIterator[bytes] | None


class Upstreams:
    """One client for all runtimes."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ttl_dns_cache=None, keepalive_timeout=_KEEPALIVE_S, force_close=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            auto_decompress=False,
            skip_auto_headers=_NOTHING_ADDED,
            read_bufsize=_BUFFER_BYTES,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            trust_env=False,
        )

    async def send(self, method: str, way: Way, query: str, headers: Headers, body: Body) -> aiohttp.ClientResponse:
        """Send a request, return the head of the answer. Raises aiohttp.ClientError, OSError."""
        target = f"http://{way.upstream.authority}{way.path}{f'?{query}' if query else ''}"
        return await self._session.request(
            method, URL(target, encoded=True), headers=headers, data=body, allow_redirects=False
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
