"""Governance: owner of the settings, the consents and the audit chain. This file only wires it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

from wfmonitor.v1.control_pb2 import ControlResult
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.settings_service_pb2_grpc import add_SettingsServiceServicer_to_server

from bus import topics
from bus.clock import wall_us
from bus.context import ServiceContext
from bus.service import run
from services.governance.api import SettingsApi
from services.governance.audit import AuditRecord, details_text
from services.governance.desk import Desk
from services.governance.intake import AuditIntake, to_record
from services.governance.ledger import SELF, Committed
from services.governance.patience import patiently
from services.governance.store import Store

DRAIN_S = 1.0


@asynccontextmanager
async def governance(ctx: ServiceContext) -> AsyncIterator[None]:
    """Open the store, answer on the socket, hear results and audit events; leaving drains."""
    with closing(Store(ctx.home.database("governance"), ctx.home.quarantine)) as store:
        tell_condition(ctx, store)
        ctx.journals["events"] = store.held
        ctx.journal_heads["events"] = lambda: store.head
        desk = Desk(store, partial(announce, ctx))
        intake = AuditIntake(lambda batch: patiently(lambda: store.append_audit(batch), ctx.degraded))
        ctx.subscribe([topics.CONTROL_RESULTS], lambda topic, payload: desk.put(to_result(topic, payload)))
        ctx.subscribe([topics.AUDITS], lambda topic, payload: intake.put(to_record(topic, payload)))
        ctx.spawn(desk.run(ctx.degraded), "hear results")
        ctx.spawn(intake.run(), "append audit events")
        await ctx.serve(partial(add_SettingsServiceServicer_to_server, SettingsApi(store, desk)))
        await desk.resume()
        intake.put(started(ctx))
        yield
        # What still waits has been accepted nowhere; a disk that is full may not hold up the end.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(intake.drain(), DRAIN_S)


def announce(ctx: ServiceContext, committed: Committed) -> None:
    """Publish a committed change to its target, and mark it on everybody's charts."""
    change = committed.change
    ctx.publish(topics.control(committed.target), change)
    title = f"{change.key}: {change.undo} → {change.value}, by {change.actor}"
    # The change's own id and time: published again after a kill it is still the same event.
    event = Event(id=f"change:{change.id}", time_us=change.time_us)
    ctx.emit("setting_changed", "governance", title, event, key=change.key, value=change.value, actor=change.actor)


def started(ctx: ServiceContext) -> AuditRecord:
    """Return the record that says since when this chain is being written."""
    details = details_text({"pid": str(os.getpid())})
    return AuditRecord(f"governance:start-{ctx.epoch}", wall_us(), SELF, "service.started", details)


def to_result(topic: str, payload: bytes) -> ControlResult:
    """Return a target's answer; the topic says whose it is, whatever stands in the message."""
    result = ControlResult.FromString(payload)
    result.target = topic.removeprefix(topics.CONTROL_RESULTS).strip("/")
    return result


def tell_condition(ctx: ServiceContext, store: Store) -> None:
    """Say what was wrong with the file at its opening."""
    for complaint in store.complaints:
        ctx.log.warning(complaint)
    if lost := store.database.quarantined:
        tell_loss(ctx, f"{lost.reason}; the broken file was kept as {lost.path}")
    store.on_replaced = lambda replaced: tell_loss(ctx, str(replaced))


def tell_loss(ctx: ServiceContext, what: str) -> None:
    """Say that consents and audit began anew, in the log and on everybody's charts."""
    title = f"settings were restored, consents and audit chain began anew: {what}"
    ctx.emit("quarantine", "monitor:governance", title)
    ctx.log.error(title)


if __name__ == "__main__":
    sys.exit(run("governance", governance, follows_settings=False))
