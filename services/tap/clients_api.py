"""The part of RequestsService that is about clients: totals and names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import grpc
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceServicer

from services.tap.store import Store

LONGEST_NAME = 64


class ClientsApi(RequestsServiceServicer):
    """Answers from the store; `recorded()`: whether the person agreed to it."""

    def __init__(self, store: Store, recorded: Callable[[], bool], terms: Callable[[], pb.Terms]) -> None:
        self._clients = store
        self._recorded = recorded
        self._terms = terms

    async def ListClients(
        self,
        request: pb.ListClientsRequest,
        context: grpc.aio.ServicerContext[pb.ListClientsRequest, pb.ListClientsResponse],
    ) -> pb.ListClientsResponse:
        """Totals by client, those with the most requests first."""
        answer = pb.ListClientsResponse(recorded=self._recorded(), terms=self._terms())
        for total in await self._clients.clients(request.after_us):
            answer.clients.add(**total._asdict())
        return answer

    async def NameClient(
        self,
        request: pb.NameClientRequest,
        context: grpc.aio.ServicerContext[pb.NameClientRequest, pb.NameClientResponse],
    ) -> pb.NameClientResponse:
        """Give a hash a name; "" takes it away."""
        name = request.name.strip()
        if len(name) > LONGEST_NAME or not name.isprintable():
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"a client's name has at most {LONGEST_NAME} printable characters"
            )
        if not await self._clients.name_client(request.client, name):
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"no client {request.client[:64]!r} was recorded; `wfmon requests --by client` lists them",
            )
        return pb.NameClientResponse()

    async def with_names(self, records: Iterable[RequestRecord]) -> None:
        """Put names in place of hashes, where names were given."""
        named = [record for record in records if record.client]
        names = await self._clients.client_names() if named else {}
        for record in named:
            record.client = names.get(record.client, record.client)
