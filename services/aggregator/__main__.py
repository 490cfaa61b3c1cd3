"""The aggregator: rings → windows → chunks, and the live frame (DESIGN §5)."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from wfmonitor.v1.drift_service_pb2_grpc import add_DriftServiceServicer_to_server
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.metrics_service_pb2_grpc import add_MetricsServiceServicer_to_server

from bus import topics
from bus.ballast import Ballast
from bus.clock import boot_us, until_beat_s
from bus.context import ServiceContext
from bus.journal.replay import Held, pull
from bus.listening import ListeningPublisher
from bus.service import run
from bus.settings_mirror import Value
from bus.supervision import LISTENER, SERVICES
from services.aggregator.api import Answers, MetricsApi
from services.aggregator.attention import Attention
from services.aggregator.broadcast import LiveVoice, WindowVoice
from services.aggregator.drift_api import DriftApi
from services.aggregator.drift_watch import DriftWatch
from services.aggregator.events import EventMemory
from services.aggregator.history import History
from services.aggregator.inbox import Position
from services.aggregator.ingest import JOURNAL, Ingest
from services.aggregator.joules.hearing import Joules
from services.aggregator.keeper import Keeper, limits_of
from services.aggregator.live import LiveComposer
from services.aggregator.models import Models
from services.aggregator.own_figures import Figures, OwnFigures
from services.aggregator.raw_query import RawQuery
from services.aggregator.recorder import FLUSH_S, Recorder
from services.aggregator.recording import Recording
from services.aggregator.records import Info, Records, with_news
from services.aggregator.rings import Rings
from services.aggregator.spread import Spread
from services.aggregator.standing import StandingQueries
from services.aggregator.store import Store
from services.aggregator.table import RING_S
from services.aggregator.telling import tell_loss, tell_quarantine

NAME = "aggregator"
_PROGRAMS = frozenset((*SERVICES, LISTENER))
# A name becomes the path of a socket: one plain word.
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,31}")
MANY_MESSAGES = 50


@asynccontextmanager
async def aggregator(ctx: ServiceContext) -> AsyncIterator[None]:
    """Wires the parts, listens to the bus, and leaves nothing unwritten when it ends."""
    ballast = Ballast(ctx.home.data / "ballast")
    store = Store(ctx.home.database(NAME), quarantine=ctx.home.quarantine, ballast=ballast)
    keeper = Keeper(store, limits=limits_of(ctx.settings), ballast=ballast)
    records = Records(store)
    rings = Rings()
    composer = LiveComposer(ctx.epoch, rings)

    attention = Attention(ctx.subscriber, lambda: live.listening or windows.listening)

    def behind() -> bool:
        # A tick is a handful of messages; a pause of ours leaves hundreds, and more behind them.
        return attention.hear() > MANY_MESSAGES or ingest.behind

    live = LiveVoice(composer, ctx.publish, attention.attend)
    ctx.subscriber.on_drained = live.taken_in
    standing = StandingQueries(rings)
    windows = WindowVoice(standing, ctx.publish, attention.attend, behind, ctx.log)
    recording = Recording(ctx.settings.flag)
    recorder = Recorder(rings, recording, store, records, lambda: ingest.applied, ctx.log)
    memory = EventMemory()
    spread = Spread(composer, live, windows, recorder, memory, lambda loss: tell_loss(ctx, loss))
    stored = {producer: Position(*cursor) for producer, cursor in store.cursors.items()}

    async def ask(producer: str, after: Position) -> Held:
        return await pull(ctx.channel(producer), JOURNAL, after.epoch, after.seq)

    def is_here(service: str) -> bool:
        return _WORD.fullmatch(service) is not None and ctx.home.socket(service).exists()

    ingest = Ingest(rings, stored, ask, spread, ctx.log, recorder.flush, is_here)
    figures = Figures(store)
    own = OwnFigures(ctx.samples, ingest, figures, lambda: ctx.received, lambda: composer.healths)

    def on_health(_topic: str, payload: bytes) -> None:
        health = Health.FromString(payload)
        if health.service not in _PROGRAMS and not is_here(health.service):
            raise ValueError(f"no service {health.service[:40]!r} is here")
        ingest.on_health(health)
        spread.health(health)

    def on_subscription(prefix: str, begins: bool) -> None:
        if prefix == topics.LIVE:
            live.subscribed(begins)
        elif prefix.startswith(topics.WINDOWS) and prefix != topics.WINDOWS:
            windows.subscribed(prefix, begins)

    async def events(start_us: int, end_us: int, kind: str, limit: int) -> list[Event]:
        return await memory.joined(records.events, start_us, end_us, kind, limit)

    async def info(subject: str) -> list[Info]:
        return with_news(await records.info(subject), memory.between(0, sys.maxsize), subject)

    def on_limits(_key: str, _value: Value) -> None:
        keeper.limits = limits_of(ctx.settings)

    answers = Answers(
        attention=attention,
        rings=rings,
        history=History(rings, RawQuery(store), lambda: store.index.oldest_us, lambda: store.index.newest_us),
        composer=composer,
        windows=windows,
        events=events,
        info=info,
        healths=lambda: composer.healths,
        storage=lambda: figures.storage(keeper.limits),
    )
    drift = DriftWatch(ctx.samples, ctx.emit, store, recording.allows, ctx.log)
    joules = Joules(ctx, rings, recording, store.db, spread.cost)

    def add_services(server: grpc.aio.Server) -> None:
        add_MetricsServiceServicer_to_server(MetricsApi(answers), server)
        add_DriftServiceServicer_to_server(DriftApi(drift, ctx.audit), server)
        joules.serve(server)

    await ctx.serve(add_services)
    ctx.settings.on_change("storage.", on_limits)
    store.on_quarantine = lambda what: tell_quarantine(ctx, what)
    if store.quarantined is not None:
        tell_quarantine(ctx, store.quarantined)
    if isinstance(ctx.publisher, ListeningPublisher):
        ctx.publisher.listen(on_subscription)
    # A model's energy is told ten times a second as its tokens come, whether anybody looks or not.
    ctx.hear_at_once(topics.TOKENS, topics.REQUESTS)
    ctx.subscribe([topics.SAMPLES], ingest.on_sample)
    ctx.subscribe([topics.EVENTS], ingest.on_event)
    ctx.subscribe([topics.HEALTHS], on_health)
    ctx.subscribe([topics.PROCESSES], spread.on_processes)
    models = Models(ctx, store, recording, spread, drift)
    ctx.subscribe([topics.REQUESTS], spread.on_request)
    joules.listen(models.board)
    ingest.meet_again()
    attention.attend()
    ctx.spawn(keeper.run(), "keep the store in shape")
    ctx.spawn(_each_second(ctx, own, ingest, rings, store, recorder, windows, live), "own figures")
    ctx.spawn(_each_flush(recorder, models), "write down what is new")
    try:
        yield
    finally:
        attention.close()
        ctx.subscriber.look()
        await ingest.close()
        await models.save()
        await recorder.flush()
        await joules.close()
        store.close()


async def _each_second(
    ctx: ServiceContext,
    own: OwnFigures,
    ingest: Ingest,
    rings: Rings,
    store: Store,
    recorder: Recorder,
    windows: WindowVoice,
    live: LiveVoice,
) -> None:
    while True:
        await asyncio.sleep(until_beat_s())
        own.write()
        rings.drop_silent(boot_us(), 2 * RING_S * 1_000_000)
        ctx.counters.update(
            ingest.counters | windows.counters,
            ring_bytes=rings.bytes,
            rings_short=rings.short,
            lost_samples_total=store.lost_samples,
            lost_events_total=recorder.lost_events,
            live_listeners=float(live.listening),
        )
        ctx.degraded(store.trouble or recorder.trouble or None)


async def _each_flush(recorder: Recorder, models: Models) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        await models.save()
        await recorder.flush()


if __name__ == "__main__":
    sys.exit(run(NAME, aggregator, listens=True))
