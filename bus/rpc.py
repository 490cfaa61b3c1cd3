"""gRPC between our own services: Unix sockets in the run folder, no TCP."""

import grpc

from bus.home import Home

# A service that is starting is asked again at once, not after gRPC's usual second.
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.enable_http_proxy", 0),
)
_SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_metadata_size", 8 << 10),
)


def open_channel(home: Home, service: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"unix:{home.socket(service)}", options=_CHANNEL_OPTIONS)


def new_server() -> grpc.aio.Server:
    return grpc.aio.server(options=_SERVER_OPTIONS)
