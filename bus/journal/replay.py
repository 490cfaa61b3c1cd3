"""Replay: how a consumer pulls journal rows that it missed (DESIGN §3)."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

import grpc
from wfmonitor.v1 import replay_service_pb2 as pb
from wfmonitor.v1.replay_service_pb2_grpc import ReplayServiceServicer, ReplayServiceStub

from bus.journal.ring_file import Row

CHUNK_BYTES = 512 * 1024


class Held(NamedTuple):
    """Rows of a journal after a position, and the oldest (epoch, seq) still held; (0, 0) where it is empty."""

    rows: Sequence[Row]
    oldest: tuple[int, int]


Reader = Callable[[int, int], Held]  # (epoch, since)


class ReplayServicer(ReplayServiceServicer):
    """Answers for the journals of one service: `{"samples": reader, …}`."""

    def __init__(self, readers: dict[str, Reader]) -> None:
        self._readers = readers

    async def Replay(
        self, request: pb.ReplayRequest, context: grpc.aio.ServicerContext[pb.ReplayRequest, pb.ReplayChunk]
    ) -> AsyncIterator[pb.ReplayChunk]:
        reader = self._readers.get(request.journal)
        if reader is None:
            known = ", ".join(sorted(self._readers)) or "none"
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"no journal `{request.journal}`; this service keeps: {known}"
            )
            return
        held = reader(request.epoch, request.since)
        for chunk in chunked(held):
            yield chunk


def chunked(held: Held) -> list[pb.ReplayChunk]:
    """Messages of at most about half a MiB; one even where there are no rows."""

    def fresh() -> pb.ReplayChunk:
        return pb.ReplayChunk(oldest_epoch=held.oldest[0], oldest_seq=held.oldest[1])

    chunks = [fresh()]
    size = 0
    for row in held.rows:
        if size + len(row.payload) > CHUNK_BYTES and chunks[-1].rows:
            chunks.append(fresh())
            size = 0
        chunks[-1].rows.add(epoch=row.epoch, seq=row.seq, topic=row.topic, payload=row.payload)
        size += len(row.payload)
    return chunks


async def pull(channel: grpc.aio.Channel, journal: str, epoch: int, since: int, timeout_s: float = 10.0) -> Held:
    """All rows after (epoch, since). Raises grpc.aio.AioRpcError where the producer does not answer."""
    rows: list[Row] = []
    oldest = (0, 0)
    request = pb.ReplayRequest(journal=journal, epoch=epoch, since=since)
    stub = ReplayServiceStub(channel)
    async for chunk in stub.Replay(request, timeout=timeout_s):
        oldest = (chunk.oldest_epoch, chunk.oldest_seq)
        rows.extend(Row(row.epoch, row.seq, row.topic, row.payload) for row in chunk.rows)
    return Held(rows, oldest)
