"""What others tell the tap over the bus: the records of probes, what requests cost, and where runtimes listen.

The first two are best effort: a lost message leaves a record out, or one without its cost, and nothing else.
"""

from collections.abc import Callable

from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

from bus import topics
from bus.context import ServiceContext
from bus.runtime_ports import SETTING, found_ports, named_ports
from services.tap.finder import Finder
from services.tap.keeper import OWN

PROBE = "probe"
"""The route of what no proxy saw: the program told it itself (docs/sdk.md)."""


def hear(ctx: ServiceContext, ended: Callable[[RequestRecord], None], cost_told: Callable[[RequestCost], None]) -> None:
    """Pass on what is told, for as long as the service lives."""

    def on_request(_topic: str, payload: bytes) -> None:
        record = RequestRecord.FromString(payload)
        if record.producer == OWN:
            return
        if not record.id or not record.model:
            raise ValueError("a record names its request and its model")
        record.route = record.route or PROBE
        ended(record)

    def on_cost(_topic: str, payload: bytes) -> None:
        cost_told(RequestCost.FromString(payload))

    ctx.subscribe([topics.REQUESTS], on_request)
    ctx.subscribe([topics.REQUEST_COSTS], on_cost)


def hear_of_runtimes(ctx: ServiceContext, finder: Finder) -> None:
    """Look where the collector sees a runtime, and where a person named a port, as soon as that is known."""

    def on_health(_topic: str, payload: bytes) -> None:
        finder.hear("collector", found_ports(Health.FromString(payload).counters))

    def on_setting(_key: str, value: object) -> None:
        finder.hear("person", named_ports(str(value)))

    ctx.subscribe([topics.health("collector")], on_health)
    ctx.settings.on_change(SETTING, on_setting)
    on_setting(SETTING, ctx.settings.text(SETTING))
