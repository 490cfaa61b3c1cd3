"""Scores that a program tells, all the way: from the door to the drift of its model."""

from __future__ import annotations

import time
from typing import Any

import grpc
import pytest
from wfmonitor.v1 import drift_service_pb2 as pb
from wfmonitor.v1.drift_service_pb2_grpc import DriftServiceStub

from tests.gateway.conftest import Page
from tests.waiting import until

MODEL = "model:drifts-here"


async def test_scores_told_at_the_door_become_a_drift(page: Page) -> None:
    now_ms = time.time() * 1000
    scores = [1.0] * 100 + [0.0] * 10
    events = [
        {"ts": now_ms - 1000 + number, "source": MODEL, "kind": "performance",
         "fields": {"accuracy_proxy[type=score]": score}}
        for number, score in enumerate(scores)
    ]  # fmt: skip
    status, answer = await page.post("/api/v1/ingest", events)
    assert (status, answer) == (200, {"accepted": len(scores)})

    async def drifts() -> bool:
        found = (await page.read("/api/v1/series?metric=model.accuracy_drift"))["series"]
        return any(one["newest"] is not None and one["newest"] < -1 for one in found if one["key"]["source"] == MODEL)

    async def events_told() -> list[Any]:
        return list((await page.read("/api/v1/events?kind=accuracy_drift"))["events"])

    await until(drifts)
    told = await until(events_told)  # the event travels by itself
    assert [(event["source"], event["attributes"]["phase"]) for event in told] == [(MODEL, "begin")]
    await learned_anew(page)


async def learned_anew(page: Page) -> None:
    """A person has changed the model: the baseline begins anew and comes back, and the audit chain has both."""
    name = MODEL.removeprefix("model:")
    metadata = (("authorization", f"Bearer {page.stack.token()}"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{page.stack.home.ports.grpc}") as channel:
        stub = DriftServiceStub(channel)
        (before,) = (await stub.ListBaselines(pb.ListBaselinesRequest(model=name), metadata=metadata)).baselines
        assert (before.count, before.mean, before.drifts, before.before) == (100, 1.0, True, False)
        asked = pb.RelearnRequest(model=name, actor="person:cli")
        (anew,) = (await stub.Relearn(asked, metadata=metadata)).baselines
        assert (anew.count, anew.HasField("level"), anew.drifts, anew.before) == (0, False, False, True)
        restoring = pb.RestoreRequest(model=name, actor="person:cli")
        (again,) = (await stub.Restore(restoring, metadata=metadata)).baselines
        assert again == before
        for wrong, code in (
            (pb.RelearnRequest(model="nobody", actor="person:cli"), grpc.StatusCode.NOT_FOUND),
            (pb.RelearnRequest(model=name, actor="rubbish"), grpc.StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Relearn(wrong, metadata=metadata)
            assert refused.value.code() is code

    async def audited() -> bool:
        rows = (await page.read("/api/v1/audit?limit=1000"))["rows"]
        return {"accuracy.relearn", "accuracy.restore"} <= {row["event"]["type"] for row in rows}

    await until(audited)
