"""An attacker with a token: 1,000 calls over ten connections that never end. `python -m … ADDRESS TOKEN_FILE`

Prints how many were refused, once every call was either refused or has been held for a while; ends with its stdin.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc

CONNECTIONS, CALLS_A_CONNECTION = 10, 100
HELD_AFTER_S = 3.0
_METHOD = "/wfmonitor.v1.SettingsService/ListSettings"


async def attack(address: str, token: str) -> None:
    """Opens them all, says the count, holds on."""
    end = asyncio.Event()

    async def never_ends() -> AsyncIterator[bytes]:
        await end.wait()
        yield b""

    metadata = (("authorization", f"Bearer {token}"),)
    calls = []
    for number in range(CONNECTIONS):
        # Another option each, or gRPC would put all channels on one connection.
        channel = grpc.aio.insecure_channel(address, options=[("grpc.attacker", number)])
        method = channel.stream_stream(_METHOD, None, None)
        calls += [method(never_ends(), metadata=metadata) for _ in range(CALLS_A_CONNECTION)]
    waiting = [asyncio.ensure_future(call.code()) for call in calls]
    done, _ = await asyncio.wait(waiting, timeout=HELD_AFTER_S)
    refused = sum(one.result() is grpc.StatusCode.RESOURCE_EXHAUSTED for one in done)
    print(refused, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for call in calls:
        call.cancel()


if __name__ == "__main__":
    asyncio.run(attack(sys.argv[1], Path(sys.argv[2]).read_text().strip()))
