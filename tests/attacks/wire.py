"""Sockets that are not ours: keys of a stranger, no keys at all, the right server key with a wrong own one."""

import time

import zmq

# A stranger's tries at the bus. None of them holds the services' key.
STRANGERS = ("own pair, forged server key", "own pair, right server key", "no security", "user name and password")

Context = zmq.Context[zmq.Socket[bytes]]
SAID = 100


def _open(context: Context, kind: int, port: int, name: str, server_key: bytes | None) -> "zmq.Socket[bytes]":
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 200)
    if name.startswith("own pair"):
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        right = server_key if name == "own pair, right server key" else None
        socket.curve_serverkey = right or zmq.curve_keypair()[0]
    elif name == "user name and password":
        socket.plain_username, socket.plain_password = b"wfmon", b"wfmon"
    socket.connect(f"tcp://127.0.0.1:{port}")
    return socket


def listen_to_all(context: Context, port: int, seconds: float, server_key: bytes | None = None) -> dict[str, int]:
    """How many messages each kind of stranger hears in so many seconds."""
    heard = dict.fromkeys(STRANGERS, 0)
    poller = zmq.Poller()
    names = {_open(context, zmq.SUB, port, name, server_key): name for name in STRANGERS}
    for socket in names:
        socket.subscribe(b"")
        poller.register(socket, zmq.POLLIN)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        for socket, _ in poller.poll(100):
            socket.recv_multipart()
            heard[names[socket]] += 1
    for socket in names:
        socket.close(linger=0)
    return heard


def speak(context: Context, port: int, topic: bytes, payload: bytes, server_key: bytes | None = None) -> int:
    """Each kind of stranger says one message a hundred times over a second, so that a late handshake would
    still let some through. Returns how many were said."""
    sockets = [_open(context, zmq.PUB, port, name, server_key) for name in STRANGERS]
    for _ in range(SAID):
        for socket in sockets:
            socket.send_multipart((topic, payload))
        time.sleep(0.01)
    for socket in sockets:
        socket.close()
    return SAID * len(sockets)
