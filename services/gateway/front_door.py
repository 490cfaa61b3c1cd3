"""The gRPC door for other programs: one address, a token, and each call forwarded to the service that owns it.

Messages pass as bytes; nothing is decoded. A call's kind (unary, streaming) does not matter on the wire, so
one stream-to-stream handler forwards them all, with deadline, metadata, trailers, status and cancellation.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.gateway.access import Visitor
from services.gateway.door import Bearer, bearer_token
from services.gateway.doors import HOST, taken

MAX_MESSAGE_BYTES = 4 << 20
MAX_METADATA_BYTES = 8 << 10
# A program watches a handful of queries; a thousand streams would starve the owner for everybody else.
MAX_CALLS_A_CONNECTION = 64
MAX_CALLS = 256
# So many a connection may always open, whatever the others hold: nobody can shut the door for everybody.
FAIR_SHARE = 8
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA_BYTES),
    ("grpc.max_concurrent_streams", 2 * MAX_CALLS_A_CONNECTION),
    ("grpc.http2.max_ping_strikes", 2),
)
# Metadata that belongs to this connection and not to the next one.
_OWN_METADATA = frozenset({"authorization", "user-agent", "te", "content-type"})

Identify = Callable[[str], Visitor]


class TokenDoor(grpc.aio.ServerInterceptor):
    """Refuses every call without a known token, health and reflection too."""

    def __init__(self, identify: Identify) -> None:
        self._identify = identify
        self.refused_total = 0

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The call's handler, or one that answers UNAUTHENTICATED."""
        given = tuple(str(value) for key, value in handler_call_details.invocation_metadata if key == "authorization")
        if self._identify(bearer_token(given)).bearer is not Bearer.NOBODY:
            return await continuation(handler_call_details)
        self.refused_total += 1
        return grpc.stream_stream_rpc_method_handler(_unauthenticated)


async def _unauthenticated(_requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "the token is absent or not known; send metadata `authorization: Bearer …` with the token of <home>/run/token",
    )


class Forwarding(grpc.GenericRpcHandler):
    """Calls of the services in `owners`, by service name, to their owner's channel."""

    def __init__(self, owners: Mapping[str, grpc.aio.Channel]) -> None:
        self._owners = owners
        self._calls: Counter[str] = Counter()
        self.forwarded_total = 0
        self.refused_total = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The forwarding handler of a method; None where the service is not offered here."""
        method = handler_call_details.method
        _, _, rest = method.partition("/")
        channel = self._owners.get(rest.partition("/")[0])
        if channel is None:
            return None

        async def forward(requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
            peer = context.peer()
            if self._full_for(peer):
                self.refused_total += 1
                await context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"more than {MAX_CALLS_A_CONNECTION} calls of a connection, or {MAX_CALLS} of all, are open",
                )
            self._calls[peer] += 1
            self.forwarded_total += 1
            try:
                await _forward(channel, method, requests, context)
            finally:
                self._calls[peer] -= 1
                if not self._calls[peer]:
                    del self._calls[peer]

        return grpc.stream_stream_rpc_method_handler(forward)

    def _full_for(self, peer: str) -> bool:
        own = self._calls[peer]
        return own >= MAX_CALLS_A_CONNECTION or (own >= FAIR_SHARE and self._calls.total() >= MAX_CALLS)


async def _forward(
    channel: grpc.aio.Channel,
    method: str,
    requests: AsyncIterator[bytes],
    context: "grpc.aio.ServicerContext[bytes, bytes]",
) -> None:
    metadata = [(key, value) for key, value in context.invocation_metadata() or () if key not in _OWN_METADATA]
    unread: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method, None, None)
    call = unread(requests, timeout=context.time_remaining(), metadata=metadata)
    try:
        if initial := await call.initial_metadata():
            await context.send_initial_metadata([(key, value) for key, value in initial])
        async for message in call:
            await context.write(message)
        context.set_trailing_metadata(tuple(await call.trailing_metadata() or ()))
        context.set_code(await call.code())
        context.set_details(await call.details() or "")
    except grpc.aio.AioRpcError as error:
        context.set_trailing_metadata(tuple(error.trailing_metadata() or ()))
        details = error.details() or ""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            details = f"{method.split('/')[1]} is not running; ask again in a second ({details})"
        await context.abort(error.code(), details)
    finally:
        call.cancel()  # of no effect on one that has ended


class FrontDoor:
    """The listening server; `serve` binds it, `close` ends it."""

    def __init__(self, identify: Identify, owners: Mapping[str, grpc.aio.Channel]) -> None:
        self.token_door = TokenDoor(identify)
        self.forwarding = Forwarding(owners)
        self._server = grpc.aio.server(interceptors=(self.token_door,), options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*owners, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._server.add_generic_rpc_handlers((self.forwarding,))

    async def serve(self, port: int) -> None:
        """Listens on 127.0.0.1; raises PortTaken."""
        try:
            self._server.add_insecure_port(f"{HOST}:{port}")
        except RuntimeError as error:
            raise taken(port, error) from error
        await self._server.start()
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)

    async def say(self, service: str, serving: bool) -> None:
        """What grpc.health.v1 answers for one of the forwarded services."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(service, status)

    async def close(self) -> None:
        await self._server.stop(0.3)
