"""The tap: a measuring, transparent proxy in front of the model runtimes of this machine. This file only wires it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

import aiohttp
import grpc
from wfmonitor.v1.compare_service_pb2_grpc import add_CompareServiceServicer_to_server
from wfmonitor.v1.requests_service_pb2_grpc import add_RequestsServiceServicer_to_server

from bus.context import ServiceContext
from bus.service import run
from bus.settings_mirror import SettingRefused
from services.tap.api import RequestsApi
from services.tap.asking import Wants
from services.tap.beside import Besides
from services.tap.bursts import Bursts
from services.tap.clients import Clients
from services.tap.compare import Comparing
from services.tap.compare_api import CompareApi
from services.tap.compare_client import CompareClient
from services.tap.compare_sources import Sources
from services.tap.compare_store import CompareStore
from services.tap.disagreeing import DisagreementRows
from services.tap.disagreement import Disagreements
from services.tap.finder import Finder
from services.tap.hearing import hear, hear_of_runtimes
from services.tap.keeper import Keeper
from services.tap.listening import Door
from services.tap.measures import Measures
from services.tap.meter import Figures, Meter
from services.tap.own_figures import count
from services.tap.probe_tasks_run import ProbeTasks
from services.tap.proxy import Proxy
from services.tap.routes import RouteError, RouteTable, parse_routes
from services.tap.scores import Scores
from services.tap.store import Store
from services.tap.upstreams import Upstreams

_DRAIN_S = 0.7
# The thread of the database gives the interpreter back to the traffic after so long (Python's own: 5 ms).
_SWITCH_S = 0.0005


@asynccontextmanager
async def tap(ctx: ServiceContext) -> AsyncIterator[None]:
    """Open the store, find the runtimes, open the port; leaving ends the traffic, then keeps the last records."""
    sys.setswitchinterval(_SWITCH_S)
    # A file of an earlier version may take seconds to open: the heart beats on meanwhile.
    store = await asyncio.to_thread(Store, ctx.home.database("tap"), ctx.home.quarantine)
    with closing(store):
        if lost := store.database.quarantined:
            ctx.emit("quarantine", "monitor:tap", f"records of requests began anew: {lost.reason}")
        ctx.journals["events"] = store.held
        ctx.journal_heads["events"] = lambda: store.head
        table, figures, bursts = RouteTable(), Figures(), Bursts(ctx.publish)
        keeper = Keeper(ctx, store, lambda: recording(ctx))
        series = Measures(ctx.samples, keeper.put)
        ended = series.ended
        clients = Clients(lambda: recording(ctx) and ctx.settings.flag("privacy.record.client"), store.client_key)
        clients.follow()
        ctx.settings.on_change("privacy.record.client", lambda _key, _value: clients.follow())
        scores, rows = Scores(ctx.samples), DisagreementRows(ctx.samples)
        disagreements = Disagreements(rows.told)
        async with looking() as session, contextlib.AsyncExitStack() as ending:
            finder = Finder(session, table, ctx.home.ports, lambda: ctx.settings.flag("tap.find"))
            upstreams = Upstreams()
            ending.callback(upstreams.close)
            probes = ProbeTasks(ctx, session, table, figures, scores)
            client_of = partial(probes.name_of, others=clients.of)

            def new_meter() -> Meter | None:
                if not measures(ctx):
                    return None
                failed = partial(tell_failure, ctx, figures)
                return Meter(figures, bursts, ended, failed, scores.judged, client_of, disagreements)

            besides = Besides(lambda: wants(ctx))
            proxy = Proxy(upstreams, table, finder, new_meter, besides)
            door = Door(proxy)
            obey_routes(ctx, table, finder)
            compares = CompareStore(store.database)
            client = CompareClient(session, ctx.home.ports.tap, lambda: len(figures.under_way))
            sources = Sources(store, ctx.channel("aggregator"), session)
            comparing = Comparing(client, table, compares, sources, lambda: recording(ctx))
            ending.push_async_callback(comparing.close)
            requests = RequestsApi(store, figures, table, ctx.settings, session)
            await ctx.serve(partial(offer, requests, CompareApi(comparing, compares)))
            await door.serve(ctx.home.ports.tap)
            ending.push_async_callback(door.close)
            hear(ctx, ended, keeper.put_cost)
            hear_of_runtimes(ctx, finder)
            ctx.spawn(keeper.run(), "keep records")
            ctx.spawn(keeper.trim(), "remove old records")
            ctx.spawn(finder.run(), "look for runtimes")
            ctx.spawn(probes.run(), "probe tasks")
            ctx.spawn(count(ctx, figures, bursts, keeper, series, proxy, besides, door), "own figures")
            # What lives from here on lives until the end; collecting it again and again would stop the traffic.
            gc.collect()
            gc.freeze()
            yield
        bursts.flush()
        rows.flush()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(keeper.drain(), _DRAIN_S)


def offer(requests: RequestsApi, compare: CompareApi, server: grpc.aio.Server) -> None:
    """Put both gRPC services on the tap's socket."""
    add_RequestsServiceServicer_to_server(requests, server)
    add_CompareServiceServicer_to_server(compare, server)


def looking() -> aiohttp.ClientSession:
    """The client that asks runtimes what they are; apart from the users' traffic."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=16), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )


def measures(ctx: ServiceContext) -> bool:
    """Whether requests are measured at all; off, the tap is a plain pipe."""
    return ctx.settings.flag("tap.measure")


def wants(ctx: ServiceContext) -> Wants:
    """What runtimes are asked for beside what clients ask; nothing, unless the user switched it on."""
    return Wants(ctx.settings.flag("tap.ask_usage"), int(ctx.settings.number("tap.ask_logprobs")))


def recording(ctx: ServiceContext) -> bool:
    """Whether records of requests may be written to this machine's disk."""
    return ctx.settings.flag("recording.enabled") and ctx.settings.flag("privacy.record.requests")


def obey_routes(ctx: ServiceContext, table: RouteTable, finder: Finder) -> None:
    """The setting `tap.routes`, now and when it changes."""

    def take(_key: str, value: object) -> None:
        try:
            table.given = parse_routes(str(value), ctx.home.ports)
        except RouteError as error:
            raise SettingRefused(str(error)) from error
        finder.changed()

    try:
        take("", ctx.settings.text("tap.routes"))
    except SettingRefused as refusal:
        ctx.log.error("the routes cannot be used", setting="tap.routes", reason=str(refusal))
    ctx.settings.on_change("tap.routes", take)
    ctx.settings.on_change("tap.find", lambda _key, _value: finder.changed())


def tell_failure(ctx: ServiceContext, figures: Figures, error: Exception) -> None:
    """Log where the measuring failed, never with what: an error's text may quote a prompt."""
    if figures.failures & (figures.failures - 1) == 0:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {place.filename.rpartition('/')[2]}:{place.lineno}"
        ctx.log.error("a request could not be measured; it went through", error=where, count=figures.failures)


if __name__ == "__main__":
    sys.exit(run("tap", tap))
