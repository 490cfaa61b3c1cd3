"""The floor for a proxy: bytes from one connection to another and back, unread.

`python -m tests.bench.harness.bare_relay PORT` prints its own port and relays to 127.0.0.1:PORT until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast


class End(asyncio.Protocol):
    """One side; what it receives goes to the other."""

    def __init__(self, port: int = 0, other: asyncio.Transport | None = None) -> None:
        self.other = other
        self._port = port
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came: connect to the runtime."""
        self._own = cast(asyncio.Transport, transport)
        if self._port:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self.other, _ = await loop.create_connection(lambda: End(other=self._own), "127.0.0.1", self._port)
        self.other.writelines(self._early)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self.other is None:
            self._early.append(data)
        else:
            self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side too."""
        if self.other is not None:
            self.other.close()


async def main() -> None:
    """Serve."""
    port = int(sys.argv[1])
    server = await asyncio.get_running_loop().create_server(lambda: End(port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
