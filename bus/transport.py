"""Sockets of the event plane: everybody connects to the forwarder; messages are [topic, payload].

A publisher never blocks: past the high-water mark ZeroMQ drops the newest, silently. What may not be
lost is therefore kept in a journal (bus/journal) and pulled again by whoever sees a gap.
"""

import threading

import zmq

from bus.home import Home
from bus.keys import load_or_make

MAX_MESSAGE_BYTES = 1 << 20
HIGH_WATER_MARK = 1000
# Whole numbers, and frame by frame: as flags through send_multipart a message costs 48 µs instead of 10.
_MORE = int(zmq.DONTWAIT | zmq.SNDMORE)
_LAST = int(zmq.DONTWAIT)


def endpoints(home: Home) -> tuple[str, str]:
    """(where publishers connect, where subscribers connect)."""
    if home.config.bus == "ipc":
        return f"ipc://{home.run}/bus-in.sock", f"ipc://{home.run}/bus-out.sock"
    return f"tcp://127.0.0.1:{home.ports.bus_in}", f"tcp://127.0.0.1:{home.ports.bus_out}"


def harden(socket: "zmq.Socket[bytes]") -> None:
    """Limits that every socket of ours has."""
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.LINGER, 200)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)


def connected(context: "zmq.Context[zmq.Socket[bytes]]", kind: int, home: Home, endpoint: str) -> "zmq.Socket[bytes]":
    keys = load_or_make(home.keys)
    socket = context.socket(kind)
    harden(socket)
    socket.curve_publickey = keys.service.public
    socket.curve_secretkey = keys.service.secret
    socket.curve_serverkey = keys.forwarder.public
    socket.connect(endpoint)
    return socket


class Publisher:
    """Sends from any thread."""

    kind: int = zmq.PUB

    def __init__(self, home: Home, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self._socket = connected(context, self.kind, home, endpoints(home)[0])
        self._lock = threading.Lock()
        self.sent = 0

    def send(self, topic: str, payload: bytes) -> None:
        with self._lock:
            self._socket.send(topic.encode("ascii"), _MORE)
            self._socket.send(payload, _LAST)
            self.sent += 1

    def close(self) -> None:
        with self._lock:
            self._socket.close()
