"""What a running service holds: its home, log, sockets, settings, samples and gRPC server, all passed, never global."""

import asyncio
import itertools
import os
import resource
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from importlib import metadata
from typing import Any

import grpc
import zmq
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2_grpc
from wfmonitor.v1.control_pb2 import AuditEvent, ControlChange
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, ServiceState
from wfmonitor.v1.replay_service_pb2_grpc import add_ReplayServiceServicer_to_server

from bus import topics
from bus.clock import boot_us, monotonic_s, wall_us
from bus.home import Home
from bus.journal.replay import Reader, ReplayServicer
from bus.listening import Handler, ListeningPublisher, Subscriber
from bus.logs import ServiceLogger
from bus.outbox import Outbox
from bus.rpc import new_server, open_channel
from bus.samples import SampleProducer, Send
from bus.settings_mirror import SettingsMirror
from bus.transport import Publisher

# An audit event is told each second for so long, with one id: governance may be the one that just restarted.
_RETELL_AUDIT_S = 15.0

AddServicers = Callable[[grpc.aio.Server], None]


def version() -> str:
    """The installed version; "source" where the package runs from a tree that was not installed."""
    try:
        return metadata.version("wirthforge-monitor")
    except metadata.PackageNotFoundError:
        return "source"


class ServiceContext:
    """Made by bus.service.run; closed by it. Everything a service shares with the others goes through here."""

    def __init__(
        self,
        name: str,
        home: Home,
        log: ServiceLogger,
        samples_of: Callable[[Send], SampleProducer],
        zmq_context: "zmq.Context[zmq.Socket[bytes]]",
        listens: bool,
        holds: bool,
    ) -> None:
        self.name = name
        self.home = home
        self.log = log
        self.counters: dict[str, float] = {}
        self.settings = SettingsMirror()
        self.publisher = ListeningPublisher(home, zmq_context) if listens or holds else Publisher(home, zmq_context)
        self._outbox = Outbox(self.publisher.send)
        if holds and isinstance(self.publisher, ListeningPublisher):
            self.publisher.listen(self._outbox.on_subscription)
        self._send = self._outbox.send if holds else self.publisher.send
        self.subscriber = Subscriber(home, zmq_context)
        self.subscriber.on_rejected = self._rejected
        self._prompt: tuple[str, ...] = ()
        self._prompt_subscriber: Subscriber | None = None
        self._zmq_context = zmq_context
        self.samples = samples_of(self._send)
        self.state: ServiceState.ValueType = ServiceState.SERVICE_STATE_STARTING
        self.journals: dict[str, Reader] = {"samples": self.samples.held}
        self.journal_heads: dict[str, Callable[[], tuple[int, int]]] = {}
        self.reload_hooks: list[Callable[[], None]] = []
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reason = ""
        self._started_us = wall_us()
        self._version = version()
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._server: grpc.aio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._rejections_logged = 0
        self._audited = 0
        self._audits_told: deque[tuple[float, AuditEvent]] = deque()
        self._event_numbers = itertools.count(1)

    @property
    def epoch(self) -> int:
        """Names this run of the service; grows with each start."""
        return self.samples.epoch

    # -- events plane -------------------------------------------------------------------------------------

    def publish(self, topic: str, message: Message) -> None:
        self._send(topic, message.SerializeToString())

    def subscribe(self, prefixes: Sequence[str], handler: Handler) -> None:
        """Calls `handler(topic, payload)` in the loop; an exception in it rejects that message and is counted."""
        for prefix in prefixes:
            prompt = self._prompt_subscriber if prefix.startswith(self._prompt) else None
            (prompt or self.subscriber).subscribe([prefix], handler)

    def hear_at_once(self, *prefixes: str) -> None:
        """What is subscribed from now on below these is heard as it comes, whatever pace `subscriber` goes at.

        In the order in which it came, but no longer in one order with the rest.
        """
        self._prompt = prefixes
        self._prompt_subscriber = Subscriber(self.home, self._zmq_context)
        self._prompt_subscriber.on_rejected = self._rejected

    @property
    def _subscribers(self) -> list[Subscriber]:
        return [self.subscriber, *([self._prompt_subscriber] if self._prompt_subscriber else [])]

    @property
    def received(self) -> int:
        """Messages heard so far."""
        return sum(subscriber.received for subscriber in self._subscribers)

    def emit(self, kind: str, source: str, title: str, event: Event | None = None, **attributes: str) -> None:
        """Publishes an event for charts and history; `event` may carry more (a spike)."""
        made = Event() if event is None else event
        now_us = wall_us()
        made.id = made.id or f"{now_us:016x}-{self.name}-{next(self._event_numbers)}"
        made.kind, made.source, made.title, made.producer = kind, source, title, self.name
        made.time_us = made.time_us or now_us
        made.boot_us = made.boot_us or boot_us()
        made.attributes.update(attributes)
        self.samples.emit(made)

    def audit(self, type_: str, actor: str, **details: str) -> None:
        """Asks governance to append a row to the audit chain."""
        self._audited += 1
        event = AuditEvent(
            id=f"{self.name}-{self.epoch}-{self._audited}",
            time_us=wall_us(),
            actor=actor,
            type=type_,
            details=details,
        )
        self._audits_told.append((monotonic_s() + _RETELL_AUDIT_S, event))
        self.publish(topics.audit(self.name), event)

    def beat(self) -> None:
        """The heartbeat: health, and recent audit events once more."""
        self.enter(self.state, self._reason)
        now_s = monotonic_s()
        while self._audits_told and self._audits_told[0][0] < now_s:
            self._audits_told.popleft()
        for _, event in self._audits_told:
            self.publish(topics.audit(self.name), event)

    def _rejected(self, topic: str, error: Exception) -> None:
        self._rejections_logged += 1
        # Powers of two: a flood of rubbish may not fill the log.
        if self._rejections_logged & (self._rejections_logged - 1) == 0:
            self.log.warning(
                "a message was rejected",
                topic=topic,
                error=f"{type(error).__name__}: {error}",
                count=self._rejections_logged,
            )

    # -- questions and commands ---------------------------------------------------------------------------

    def channel(self, service: str) -> grpc.aio.Channel:
        """The channel to another service; opened once, reconnects by itself."""
        if service not in self._channels:
            self._channels[service] = open_channel(self.home, service)
        return self._channels[service]

    async def serve(self, add_servicers: AddServicers | None = None) -> None:
        """Answers gRPC on the service's Unix socket: Replay and health, and what `add_servicers` adds."""
        server = new_server()
        add_ReplayServiceServicer_to_server(ReplayServicer(self.journals), server)
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
        if add_servicers is not None:
            add_servicers(server)
        socket = self.home.socket(self.name)
        socket.unlink(missing_ok=True)  # ours: the service's lock is held
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
        self._server = server

    # -- life ---------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs a task for the life of the service; where it fails, the service fails with its reason."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failure.done():
            self.failure.set_exception(error)

    def degraded(self, reason: str | None) -> None:
        """Says what is lost while the service works on; None: all is well again."""
        self._reason = reason or ""
        if self.state in (ServiceState.SERVICE_STATE_READY, ServiceState.SERVICE_STATE_DEGRADED):
            self.state = ServiceState.SERVICE_STATE_DEGRADED if reason else ServiceState.SERVICE_STATE_READY

    def enter(self, state: "ServiceState.ValueType", reason: str = "") -> None:
        self.state = state
        self._reason = reason
        self.publish(topics.health(self.name), self.health())

    def health(self) -> Health:
        message = Health(
            service=self.name,
            pid=os.getpid(),
            state=self.state,
            reason=self._reason,
            time_us=wall_us(),
            started_us=self._started_us,
            epoch=self.epoch,
            version=self._version,
            counters={
                "bus_sent_total": self.publisher.sent,
                "bus_received_total": self.received,
                "bus_rejected_total": sum(subscriber.rejected for subscriber in self._subscribers),
                "rss_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                **self.counters,
            },
        )
        for epoch, seq in self.samples.heads.items():
            message.heads.add(journal="samples", epoch=epoch, seq=seq)
        for journal, head in self.journal_heads.items():
            epoch, seq = head()
            message.heads.add(journal=journal, epoch=epoch, seq=seq)
        return message

    async def follow_settings(self) -> None:
        """Loads the settings, waiting for governance, and keeps them fresh from then on."""
        self.subscribe([topics.CONTROLS], self._on_control)
        self.subscribe([topics.health("governance")], self._on_governance_health)
        await self.settings.load(self.channel("governance"))

    def _on_control(self, topic: str, payload: bytes) -> None:
        change = ControlChange.FromString(payload)
        result = self.settings.apply(change, self.name)
        if topic == topics.control(self.name):
            self.publish(topics.control_result(self.name), result)

    def _on_governance_health(self, topic: str, payload: bytes) -> None:
        heads = {(head.epoch, head.seq) for head in Health.FromString(payload).heads if head.journal == "events"}
        if heads and self.settings.head not in heads:
            self.spawn(self._reload_settings(), "reload settings")

    async def _reload_settings(self) -> None:
        try:
            await self.settings.load(self.channel("governance"), timeout_s=2.0)
        except grpc.aio.AioRpcError as error:
            self.log.warning("settings not reloaded, tried again with its next heartbeat", error=error.details() or "")

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.stop(0.3)
            self.home.socket(self.name).unlink(missing_ok=True)
        for channel in self._channels.values():
            await channel.close(None)
        for subscriber in self._subscribers:
            subscriber.close()
        self._outbox.flush()
        self.publisher.close()
