"""A client of /ws that prints, a line each, how many ms after its own time a row came: `ws_client URL SECONDS`."""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp
from wfmonitor.v1.live_pb2 import LiveFrame
from wfmonitor.v1.sample_pb2 import RateGroup

_ACK_EVERY_S = 0.25
_FAST = (RateGroup.RATE_GROUP_RENDER, RateGroup.RATE_GROUP_RESOURCE)


async def ages_ms(url: str, seconds: float) -> list[float]:
    """Ages of the newest row of each fast table at its arrival, all frames but key frames, which repeat old rows."""
    ages: list[float] = []
    fast: set[int] = set()  # key frames tell what a table is; the others only name it
    end_s = time.monotonic() + seconds
    acked_s = 0.0
    # As the page: a socket from elsewhere is refused.
    origin = url.replace("ws:", "http:").partition("/ws")[0]
    async with aiohttp.ClientSession() as session, session.ws_connect(url, origin=origin) as ws:
        async for message in ws:
            now_us = time.time_ns() / 1000
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            frame = LiveFrame.FromString(message.data)
            fast.update(table.id for table in frame.tables if table.source and table.group in _FAST)
            if not frame.key:
                ages += [(now_us - table.times_us[-1]) / 1000 for table in frame.tables if table.id in fast]
            now_s = time.monotonic()
            if now_s - acked_s >= _ACK_EVERY_S:
                acked_s = now_s
                await ws.send_json({"ack": frame.seq})
            if now_s >= end_s:
                return ages
    return ages


if __name__ == "__main__":
    print("\n".join(map(str, asyncio.run(ages_ms(sys.argv[1], float(sys.argv[2]))))))
