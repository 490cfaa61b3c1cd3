"""The gRPC door of the gateway, with the token of the home: how every command asks its questions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from bus.home import Home
from services.cli.errors import CliError, NotRunning
from services.cli.supervisor import START_HINT, Supervisor

_OWNERS = {
    "MetricsService": "aggregator",
    "SettingsService": "governance",
    "RequestsService": "tap",
    "EnergyService": "aggregator",
}
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5000),  # how long one attempt may take, see bus.rpc
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", 4 << 20),
)


class _Token(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Puts the token into the metadata of each call."""

    def __init__(self, token: str) -> None:
        self._metadata = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation, details, request):  # type: ignore[no-untyped-def]
        return continuation(self._signed(details), request)

    intercept_unary_stream = intercept_unary_unary

    def _signed(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        signed = _Details()
        signed.method, signed.timeout = details.method, details.timeout
        signed.metadata = (*(details.metadata or ()), self._metadata)
        signed.credentials = details.credentials
        signed.wait_for_ready, signed.compression = details.wait_for_ready, details.compression
        return signed


class _Details(grpc.ClientCallDetails):
    """What grpc wants back from an interceptor; its own class has no constructor."""


def read_token(home: Home) -> str:
    """Return the API token. Raises NotRunning where the monitor never ran on this home."""
    try:
        return home.token_file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise NotRunning(f"the monitor has not run on {home.root} yet; {START_HINT}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"the token {home.token_file} cannot be read: {error}") from error


def open_door(home: Home) -> grpc.Channel:
    """Return a channel to the gateway that signs its calls; it connects with the first of them."""
    channel = grpc.insecure_channel(f"127.0.0.1:{home.ports.grpc}", options=CHANNEL_OPTIONS)
    return grpc.intercept_channel(channel, _Token(read_token(home)))


@contextmanager
def door(home: Home) -> Iterator[grpc.Channel]:
    """Open the door for one command; what goes wrong behind it becomes a CliError for people."""
    with open_door(home) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise explained(error, home) from None


def explained(error: grpc.RpcError, home: Home) -> CliError:
    """Return what a failed call means for the person who made it."""
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    details = (error.details() if isinstance(error, grpc.Call) else None) or str(error)
    if code is grpc.StatusCode.UNAVAILABLE:
        return unavailable(home, details)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return CliError(
            f"the gateway at 127.0.0.1:{home.ports.grpc} does not know the token of {home.token_file}; "
            "it may be another home's: name yours with --home DIR"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return CliError(f"no answer in time; see which service is slow: wfmon status ({details})")
    return CliError(details)


def unavailable(home: Home, details: str = "") -> CliError:
    """Return why the gateway cannot be reached: nothing runs, or it alone is down."""
    for service, owner in _OWNERS.items():
        if f"{service} is not running" in details:  # the gateway is there, the owner behind it is not
            return NotRunning(
                f"the {owner} is not running, though the gateway is; "
                f"it is started again by itself, see why it ended: wfmon status, and {home.log / owner}.log"
            )
    if Supervisor(home).pid() is None:
        return NotRunning(f"the dashboard gateway is not running on {home.root}; {START_HINT}")
    return NotRunning(
        f"the dashboard gateway does not answer at 127.0.0.1:{home.ports.grpc}, though supervisord runs; "
        f"see why: wfmon status, and {home.log / 'gateway.log'}"
    )
