"""An HTTP answer of a runtime, read to its end and no further than a bound."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp


async def whole_of(answer: aiohttp.ClientResponse, longest: int) -> bytes:
    """Return the body. Raises aiohttp.ClientPayloadError where it has more than `longest` bytes."""
    whole = bytearray()
    # A single read returns what has arrived, not what is still on its way.
    while part := await answer.content.read(longest + 1 - len(whole)):
        whole += part
        if len(whole) > longest:
            raise aiohttp.ClientPayloadError(f"an answer of more than {longest} bytes")
    return bytes(whole)


async def read_whole(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: object = None,
    *,
    longest: int,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
) -> bytes | None:
    """Ask, with `body` as JSON where it is given; None: no answer in time, one other than 200, or one too long."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with session.request(
            method, url, json=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            return await whole_of(answer, longest) if answer.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
