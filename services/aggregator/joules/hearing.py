"""The joules' ears and mouth on the bus."""

from collections.abc import Callable

from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord, TokenBurst

from bus import topics
from bus.context import ServiceContext
from services.aggregator.energy.board import Board
from services.aggregator.joules.voice import JoulesVoice
from services.aggregator.rings import Rings


def hear_joules(
    ctx: ServiceContext, rings: Rings, board: Board, show: Callable[[RequestRecord, RequestCost], None]
) -> JoulesVoice:
    """Listen to tokens and requests, tell energy and costs; `show` gets each record with its cost.

    `board` knows the mean E(t) of a request, which is told with its joules.
    """

    def tell(record: RequestRecord, cost: RequestCost) -> None:
        ctx.publish(topics.request_cost(cost.model), cost)
        show(record, cost)

    joules = JoulesVoice(rings, ctx.samples, tell, lambda record: board.energy_mean(record.id))

    def on_tokens(_topic: str, payload: bytes) -> None:
        if joules.powered:
            joules.on_tokens(TokenBurst.FromString(payload))

    ctx.subscribe([topics.TOKENS], on_tokens)
    ctx.subscribe([topics.REQUESTS], lambda _topic, payload: joules.on_request(RequestRecord.FromString(payload)))
    ctx.spawn(joules.run(), "energy by model and request")
    return joules
