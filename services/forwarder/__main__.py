"""The forwarder: XSUB to XPUB in libzmq, no Python in the path.

It does not use the common life cycle: that would bring gRPC, and the memory of a process is its imports. It
keeps the same promises in small: lock, modes, SIGTERM, crash reason, heartbeat.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading

import zmq
from wfmonitor.v1.health_pb2 import Health, ServiceState
from zmq.auth.base import Authenticator

from bus import topics
from bus.clock import monotonic_s, until_beat_s, wall_us
from bus.crash import EXIT_FAILED, EXIT_REFUSED, keep_crash
from bus.home import Home, HomeError
from bus.keys import BusKeys, load_or_make
from bus.locks import AlreadyRunning, hold_pid_file
from bus.logs import ServiceLogger, open_log
from bus.supervision import supervisord_pid
from bus.transport import Publisher, endpoints, harden

NAME = "forwarder"
# Others connect again within half a second (bus/transport.py), and shall hear soon that the bus is back.
_FIRST_BEATS_S = 0.1
_FIRST_BEATS = 10


class OnlyOurKey:
    """Lets in who holds the services' key; a foreign key receives nothing and is not heard."""

    def __init__(self, keys: BusKeys) -> None:
        self._public = keys.service.public

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self._public


def bound(context: "zmq.Context[zmq.Socket[bytes]]", kind: int, endpoint: str, keys: BusKeys) -> "zmq.Socket[bytes]":
    """Raises zmq.ZMQError where the address is taken."""
    socket = context.socket(kind)
    harden(socket)
    socket.curve_secretkey = keys.forwarder.secret
    socket.curve_publickey = keys.forwarder.public
    socket.curve_server = True
    socket.bind(endpoint)
    return socket


def forward(home: Home, log: ServiceLogger) -> None:
    """Runs the proxy until SIGTERM."""
    keys = load_or_make(home.keys)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: None)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    authenticator = Authenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback(domain="*", credentials_provider=OnlyOurKey(keys))
    inward, outward = endpoints(home)
    try:
        incoming = bound(context, zmq.XSUB, inward, keys)
        outgoing = bound(context, zmq.XPUB, outward, keys)
    except zmq.ZMQError as error:
        raise HomeError(
            f"the bus cannot open {inward} and {outward}: {error}. "
            "Another program holds the port; choose another block with --port-base."
        ) from error
    thread = threading.Thread(target=_proxy, args=(incoming, outgoing), daemon=True)
    thread.start()
    serve_until(stop, home, context, authenticator, log)
    authenticator.stop()
    context.term()  # ends the proxy, whose sockets close in its own thread
    thread.join(timeout=1.0)


def _proxy(incoming: "zmq.Socket[bytes]", outgoing: "zmq.Socket[bytes]") -> None:
    try:
        zmq.proxy(incoming, outgoing)
    except zmq.ContextTerminated:
        pass
    finally:
        incoming.close(linger=0)
        outgoing.close(linger=0)


def serve_until(
    stop: threading.Event,
    home: Home,
    context: "zmq.Context[zmq.Socket[bytes]]",
    authenticator: Authenticator,
    log: ServiceLogger,
) -> None:
    """Admits newcomers, and says each second over the bus itself that it carries messages."""
    publisher = Publisher(home, context)
    started_us = wall_us()
    parent = supervisord_pid(home)
    log.info("ready", pid=os.getpid())
    due_s = monotonic_s()
    beats = 0
    while not stop.is_set():
        now_s = monotonic_s()
        if now_s >= due_s:
            beats += 1
            due_s = now_s + (until_beat_s(now_s) if beats > _FIRST_BEATS else _FIRST_BEATS_S)
            publisher.send(topics.health(NAME), _health(started_us).SerializeToString())
            if parent is not None and os.getppid() != parent:
                log.warning("supervisord has gone; stopping with it")
                break
        # A signal ends the poll early, since it interrupts the system call.
        if authenticator.zap_socket.poll(int((due_s - now_s) * 1000) + 1):
            admit(authenticator)
    publisher.close()


def admit(authenticator: Authenticator) -> None:
    """Answers one request of libzmq's for a newcomer's key."""
    answer = authenticator.handle_zap_message(authenticator.zap_socket.recv_multipart())
    # pyzmq writes it as a coroutine; with a plain callback it never waits, so one step ends it without asyncio,
    # which would cost this process 6 MB.
    with contextlib.suppress(StopIteration):
        answer.send(None)


def _health(started_us: int) -> Health:
    return Health(
        service=NAME,
        pid=os.getpid(),
        state=ServiceState.SERVICE_STATE_READY,
        time_us=wall_us(),
        started_us=started_us,
        epoch=started_us,
    )


def main() -> int:
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m services.forwarder")
    parser.add_argument("--home", help="the folder of data, keys and logs")
    home = Home.resolve(parser.parse_args().home)
    log = open_log(NAME)
    try:
        home.prepare()
        with hold_pid_file(home.pid_file(NAME), NAME):
            forward(home, log)
    except (HomeError, AlreadyRunning) as refusal:
        log.error(str(refusal))
        keep_crash(home, NAME, refusal)
        return EXIT_REFUSED
    except Exception as error:
        log.error("the forwarder failed", exc_info=True)
        keep_crash(home, NAME, error)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
