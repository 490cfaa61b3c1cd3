"""What the aggregator tells of what was lost: in its log, and as an event that is kept."""

from wfmonitor.v1.event_pb2 import Event

from bus.context import ServiceContext
from bus.database import Quarantined
from services.aggregator.inbox import Lost
from services.aggregator.own_figures import MONITOR


def tell_loss(ctx: ServiceContext, loss: Lost) -> None:
    """Messages of a producer that it no longer holds."""
    what = f"{loss.count} messages of {loss.producer} are lost: it no longer holds them"
    ctx.log.error(what, producer=loss.producer, epoch=loss.epoch, seq=loss.first, count=loss.count)
    # The same loss is found again where we are killed before the cursor behind it is stored: one id, told once.
    event = Event(id=f"{loss.epoch:016x}-loss-{loss.producer}-{loss.first}-{loss.last}")
    ctx.emit("loss", f"monitor:{loss.producer}", what, event, messages=str(loss.count))


def tell_quarantine(ctx: ServiceContext, what: Quarantined) -> None:
    """A file that was found broken."""
    ctx.log.error(what.reason)
    ctx.emit("quarantine", MONITOR, what.reason, file=what.path.name)
