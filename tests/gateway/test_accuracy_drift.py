"""Scores that a program tells, all the way: from the door to the drift of its model."""

from __future__ import annotations

import asyncio
import time

from tests.gateway.conftest import Page

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
    async with asyncio.timeout(60):
        while True:
            found = (await page.read("/api/v1/series?metric=model.accuracy_drift"))["series"]
            levels = [one["newest"] for one in found if one["key"]["source"] == MODEL]
            if levels and levels[0] is not None and levels[0] < -1:
                break
            await asyncio.sleep(0.1)
    told = (await page.read("/api/v1/events?kind=accuracy_drift"))["events"]
    assert [(event["source"], event["attributes"]["phase"]) for event in told] == [(MODEL, "begin")]
