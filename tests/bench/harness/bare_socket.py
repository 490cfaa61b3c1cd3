"""The floor for latency: one process sends its clock over a loopback socket, another reads it.

`python -m tests.bench.harness.bare_socket HZ SECONDS` prints a line a message: ms between sending and having it.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time


def ages_ms(rate_hz: float, seconds: float) -> list[float]:
    """The reader is this process, the sender a child; both sleep in between, as services do."""
    listener = socket.create_server(("127.0.0.1", 0))
    if os.fork() == 0:
        sender = socket.create_connection(listener.getsockname())
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(round(rate_hz * seconds)):
            time.sleep(1.0 / rate_hz)
            sender.sendall(struct.pack("q", time.time_ns()))
        os._exit(0)
    reader, _ = listener.accept()
    ages = []
    while data := reader.recv(8, socket.MSG_WAITALL):
        ages.append((time.time_ns() - struct.unpack("q", data)[0]) / 1e6)
    os.wait()
    return ages


if __name__ == "__main__":
    print("\n".join(map(str, ages_ms(float(sys.argv[1]), float(sys.argv[2])))))
