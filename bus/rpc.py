"""gRPC between our own services: Unix sockets in the run folder, no TCP."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import grpc

from bus.home import Home

# A service that is starting is asked again at once, not after gRPC's usual second. What gRPC calls the least back-off
# is how long one attempt may take: on a busy machine a service answers late, and a socket that nobody holds fails at
# once whatever stands here.
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.enable_http_proxy", 0),
)
_SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_metadata_size", 8 << 10),
)


# gRPC's own threads look about 5 to 15 times a second whether there is work, which others wake them for anyway. Where
# their timers may be late they wake with whatever else wakes the processor: a third less CPU of an idle service.
_LATE_NS = 100_000_000
_TIMER_SLACK = Path("/proc/self/timerslack_ns")


@contextlib.contextmanager
def _timers_of_new_threads_may_be_late() -> Iterator[None]:
    """Threads take the slack of their timers from the one that starts them. Where the kernel has no such file: nothing.

    On a busy processor timers are as punctual as ever.
    """
    try:
        usual = _TIMER_SLACK.read_bytes()
        _TIMER_SLACK.write_bytes(str(_LATE_NS).encode())
    except OSError:
        yield
        return
    try:
        yield
    finally:
        _TIMER_SLACK.write_bytes(usual)


def open_channel(home: Home, service: str) -> grpc.aio.Channel:
    with _timers_of_new_threads_may_be_late():
        return grpc.aio.insecure_channel(f"unix:{home.socket(service)}", options=_CHANNEL_OPTIONS)


def new_server() -> grpc.aio.Server:
    with _timers_of_new_threads_may_be_late():
        return grpc.aio.server(options=_SERVER_OPTIONS)
