"""The gateway: the two doors of the monitor, HTTP for the page and gRPC for other programs."""

import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import grpc
from aiohttp import web

from bus import topics
from bus.catalogue import catalogue
from bus.clock import monotonic_s, wall_us
from bus.context import ServiceContext
from bus.database import Database
from bus.descriptors import raise_descriptor_limit
from bus.home import REPOSITORY, Home, write_private
from bus.series import Series
from bus.service import run
from services.gateway.access import Keyring
from services.gateway.access_api import AccessApi
from services.gateway.app import make_app
from services.gateway.compare_api import CompareApi
from services.gateway.doors import listen
from services.gateway.front_door import FrontDoor
from services.gateway.health import HealthWatch
from services.gateway.ingest_api import IngestApi
from services.gateway.live_hub import LiveHub
from services.gateway.metrics_api import MetricsApi
from services.gateway.middleware import Doorkeeper
from services.gateway.otlp_door import OtlpDoor
from services.gateway.own_metrics import SOURCE, report
from services.gateway.own_tables import OwnTables
from services.gateway.page_api import PageApi
from services.gateway.requests_api import RequestsApi
from services.gateway.server import HttpDoor
from services.gateway.session_store import SessionRow, SessionStore
from services.gateway.settings_api import SettingsApi
from services.gateway.slow_clients import MAX_SILENT, SlowClients
from services.gateway.sse import SseDoor
from services.gateway.static_map import StaticError, StaticFile, load
from services.gateway.tokens_api import TokensApi
from services.gateway.ws import WsDoor

# gRPC service → who owns it. Replay stays inside.
OWNERS = {
    "wfmonitor.v1.MetricsService": "aggregator",
    "wfmonitor.v1.SettingsService": "governance",
    "wfmonitor.v1.RequestsService": "tap",
    "wfmonitor.v1.CompareService": "tap",
    "wfmonitor.v1.EnergyService": "aggregator",
    "wfmonitor.v1.DriftService": "aggregator",
}

OWN_SERIES = {
    "ws_clients": Series("monitor.ws_clients", SOURCE),
    "ws_conflated_total": Series("monitor.ws_conflated_total", SOURCE),
}


@asynccontextmanager
async def gateway(ctx: ServiceContext) -> AsyncIterator[None]:
    """Open the store and the static map, wire the doors, listen; leaving closes pages first."""
    metrics_of = catalogue()
    files = static_files(ctx)
    store_file = Database(ctx.home.database("gateway"), quarantine=ctx.home.quarantine, models=[SessionRow])
    store = SessionStore(store_file, partial(tell_loss, ctx))
    keyring = Keyring(api_token(ctx.home), store.load())
    # Silent connections may take half of what can be open; the rest is for those who speak.
    slow = SlowClients(monotonic_s, min(MAX_SILENT, raise_descriptor_limit() // 2))
    doorkeeper = Doorkeeper(keyring, slow, ctx.log)
    metrics = MetricsApi(ctx.channel("aggregator"), metrics_of)
    requests = RequestsApi(ctx.channel("tap"), ctx.channel("aggregator"))
    settings = SettingsApi(ctx.channel("governance"), ctx.settings, metrics_of)
    hub = LiveHub(lambda handler: subscribe_live(ctx, handler), metrics.key_frame, monotonic_s)
    access = AccessApi(ctx, keyring, store)
    tables = OwnTables(ctx.samples)
    ingest = IngestApi(tables, metrics_of, ctx.settings)
    otlp = OtlpDoor(ctx.settings, tables, keyring, slow, ctx.log, ctx.degraded)
    tokens = TokensApi(ctx.publish, ctx.settings)
    ws = WsDoor(hub, access.spend_ticket, ingest.on_ui)
    sse = SseDoor(hub, access.spend_ticket)
    health = HealthWatch(ctx, OWNERS)
    routes = [
        *metrics.routes(), *requests.routes(), *settings.routes(), *access.routes(), *ingest.routes(),
        *tokens.routes(), *PageApi(ctx.emit, ctx.audit).routes(),
        *CompareApi(ctx.channel("tap")).routes(), health.route(),
        web.get("/ws", ws.handle), web.get("/sse", sse.handle),
    ]  # fmt: skip
    http = HttpDoor(make_app(doorkeeper.guard, routes, files), slow, on_close=(ws.close, sse.close))
    front = FrontDoor(lambda token: keyring.identify(token, wall_us()), channels(ctx))
    obey_settings(ctx, hub)
    ctx.reload_hooks.append(lambda: reload_page(ctx, files))

    def figures() -> Mapping[str, float]:
        slow.tick()
        hub.tick()
        tokens.end_silent()
        return {
            "ws_clients": hub.clients,
            "ws_conflated_total": hub.conflated_total,
            "live_gaps_total": hub.gaps_total,
            "http_refused_total": doorkeeper.refused_total,
            "http_malformed_total": http.malformed.total,
            "http_failed_total": doorkeeper.failed_total,
            "http_slow_closed_total": slow.closed_total,
            "ws_rejected_total": ws.rejected_total,
            "ingest_events_total": ingest.events_total,
            "ui_impossible_total": ingest.ui_impossible_total,
            "sdk_bursts_total": tokens.bursts_total,
            "sdk_requests_total": tokens.requests_total,
            "sdk_dropped_total": tokens.dropped_total,
            **otlp.figures(),
            "grpc_forwarded_total": front.forwarding.forwarded_total,
            "grpc_refused_total": front.forwarding.refused_total + front.token_door.refused_total,
        }

    try:
        await ctx.serve()
        await http.serve(listen(ctx.home.ports.page))
        await front.serve(ctx.home.ports.grpc)
        ctx.spawn(otlp.run(), "OTLP's port")
        ctx.spawn(health.watch(front), "health of the services behind the doors")
        ctx.spawn(report(ctx.samples, ctx.counters, figures, OWN_SERIES), "own figures")
        yield
    finally:
        await otlp.close()
        await http.close()
        await front.close()
        store_file.close()


def static_files(ctx: ServiceContext) -> dict[str, StaticFile]:
    """The page, from the folder beside this package. Without it the doors for programs open all the same."""
    try:
        return load(REPOSITORY / "dashboard")
    except (StaticError, OSError) as error:
        ctx.log.error("the page cannot be shown", reason=str(error))
        return {}


def reload_page(ctx: ServiceContext, files: dict[str, StaticFile]) -> None:
    """Reads the page again (SIGHUP); keeps the one in memory where it is not whole."""
    if found := static_files(ctx):
        files.clear()
        files.update(found)


def tell_loss(ctx: ServiceContext, what: str) -> None:
    """Says that sessions were not kept, in the log and on everybody's charts."""
    ctx.emit("quarantine", SOURCE, what)
    ctx.log.error(what)


def api_token(home: Home) -> str:
    """The token of `<home>/run/token` (0600), made at the first start."""
    try:
        token = home.token_file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        token = ""
    if len(token) < 32:
        token = secrets.token_urlsafe(32)
        write_private(home.token_file, f"{token}\n".encode())
    home.token_file.chmod(0o600)
    return token


def channels(ctx: ServiceContext) -> dict[str, grpc.aio.Channel]:
    """The channel behind each service name of the gRPC door."""
    return {name: ctx.channel(owner) for name, owner in OWNERS.items()}


def subscribe_live(ctx: ServiceContext, handler: Callable[[str, bytes], None]) -> Callable[[], None]:
    """Asks the bus for live frames; the returned call ends it, and the aggregator stops composing them."""
    ctx.subscribe([topics.LIVE], handler)
    return lambda: ctx.subscriber.unsubscribe([topics.LIVE], handler)


def obey_settings(ctx: ServiceContext, hub: LiveHub) -> None:
    """The gateway's own settings, now and when they change."""

    def take(_key: str = "", _value: object = None) -> None:
        hub.max_clients = int(ctx.settings.number("gateway.clients.max"))
        max_hz = ctx.settings.number("gateway.live.max_hz")
        hub.min_gap_s = 0.0 if max_hz >= 60.0 else 1.0 / max_hz

    take()
    ctx.settings.on_change("gateway.", take)


if __name__ == "__main__":
    sys.exit(run("gateway", gateway))
